"""`torch.fx`: programs as graphs in Python, to be read and rewritten."""

from flambeau.fx import _symbolic_trace as _symbolic_trace
from flambeau.fx._symbolic_trace import Tracer, symbolic_trace
from flambeau.fx._wrapped import wrap
from flambeau.fx.graph import Graph
from flambeau.fx.graph_module import GraphModule
from flambeau.fx.interpreter import Interpreter, Transformer
from flambeau.fx.node import Node, map_arg
from flambeau.fx.proxy import Proxy

__all__ = [
    "Graph", "GraphModule", "Interpreter", "Node", "Proxy", "Tracer", "Transformer", "map_arg", "symbolic_trace", "wrap",
]  # fmt: skip
