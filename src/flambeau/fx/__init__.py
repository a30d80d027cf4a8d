"""`torch.fx`: programs as graphs in Python.

The names that packages import and ask `isinstance` of are here; tracing a module is not there yet and raises.
"""

from flambeau.fx._wrapped import wrap
from flambeau.fx.graph import Graph
from flambeau.fx.graph_module import GraphModule
from flambeau.fx.node import Node
from flambeau.fx.proxy import Proxy
from flambeau.fx.tracer import Tracer, symbolic_trace

__all__ = ["Graph", "GraphModule", "Node", "Proxy", "Tracer", "symbolic_trace", "wrap"]
