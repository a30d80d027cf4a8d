"""Warnings name the user's line."""

import pytest

import flambeau

# Functions of all kinds: plain, with `out=`, methods and in-place forms.
WARNING = [
    "flambeau.var(x[:1], 0)",
    "x[:1].std(0)",
    "flambeau.var(x[:1], 0, out=flambeau.ones(()))",
    "flambeau.qr(m)",
    "flambeau.cholesky(m)",
    "m.cholesky()",
    "flambeau.range(0, 3)",
    "m.index_reduce(0, i, m, 'prod')",
    "m.clone().index_reduce_(0, i, m, 'prod')",
]


@pytest.mark.parametrize("text", WARNING)
def test_a_warning_names_the_line_that_called(text):
    x, m, i = flambeau.ones(3), flambeau.eye(2), flambeau.tensor([0, 1])
    code = compile("\n\n" + text, "users.py", "eval")
    with pytest.warns(UserWarning, match=r"\w") as found:
        eval(code, {"__name__": "users", "flambeau": flambeau, "x": x, "m": m, "i": i})
    assert [(warning.filename, warning.lineno) for warning in found] == [("users.py", 3)]
