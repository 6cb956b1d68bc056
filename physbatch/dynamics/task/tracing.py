"""Functions of many replicas at once, and their lists of operations without the way to them.

`torch.func.vmap` finds out at every call how an operation is done for all replicas at once, and
`torch.func.vjp` how it is differentiated; for small models that takes longer than the
operations. `trace` writes the operations down once for all calls with the same shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from physbatch.errors import StudyError

Function = Callable[..., Sequence[Tensor]]

_aten = torch.ops.aten
#: Operations that do nothing where the shape stays the same.
_RESHAPES = {_aten.expand.default, _aten.view.default, _aten._unsafe_view.default}
#: The same operation, with a shorter way from Python to it.
_SHORT = {
    _aten.bmm.default: torch.bmm,
    _aten.add.Tensor: torch.add,
    _aten.sub.Tensor: torch.sub,
    _aten.mul.Tensor: torch.mul,
    _aten.relu.default: torch.relu,
    _aten.tanh.default: torch.tanh,
    _aten.erf.default: torch.erf,
    _aten.exp.default: torch.exp,
    _aten.transpose.int: torch.transpose,
    _aten.permute.default: torch.permute,
    _aten.unsqueeze.default: torch.unsqueeze,
    _aten.sum.dim_IntList: torch.sum,
    _aten.view.default: torch.reshape,
    _aten._unsafe_view.default: torch.reshape,
}


def trace(function: Function, arguments: Sequence[Tensor], where: str) -> Function:
    """The operations of a function of tensors of these shapes, in the same order.

    A function that cannot be traced is returned as it is.

    Raises
    ------
    StudyError
        If two calls with the same arguments differ: such a function has a state, or draws.

    Examples
    --------
    >>> double = trace(lambda x: [x + x], [torch.ones(3)], "double")
    >>> double(torch.tensor([1.0, 2.0, 3.0]))[0].tolist()
    [2.0, 4.0, 6.0]
    """
    with torch.no_grad():
        expected = function(*arguments)
        try:
            module = make_fx(function)(*arguments)
        except (RuntimeError, TypeError, ValueError, AttributeError, LookupError):
            again = function(*arguments)
            run: Function = function
        else:
            run = _shortened(module, arguments)
            again = run(*arguments)
    for first, second in zip(expected, again, strict=True):
        if not torch.equal(first.nan_to_num(), second.nan_to_num()):
            raise StudyError(
                "gives other numbers for the same arguments",
                where=where,
                remedy="forward, loss and teacher_forward depend on their arguments alone; random "
                "numbers belong into inputs",
            )
    return run


class _Shapes(fx.Interpreter):
    """Runs a list of operations and notes the shape of each result."""

    def run_node(self, n: fx.Node) -> Any:
        """One operation."""
        result = super().run_node(n)
        if isinstance(result, Tensor):
            n.meta["layout"] = (result.shape, result.stride(), result.dtype)
        return result


def _shortened(module: fx.GraphModule, arguments: Sequence[Tensor]) -> Function:
    """The operations without those whose result nobody reads or that do nothing."""
    graph = module.graph
    graph.eliminate_dead_code()
    _Shapes(module).run(*arguments)
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        if node.target in _RESHAPES and node.meta["layout"] == node.args[0].meta["layout"]:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
        elif node.target in (_aten.transpose.int, _aten.permute.default):
            source = node.args[0]
            while source.target in (_aten.transpose.int, _aten.permute.default):
                source = source.args[0]
                if source.meta["layout"] == node.meta["layout"] and _is_identity(node, source):
                    node.replace_all_uses_with(source)
                    break
    graph.eliminate_dead_code()
    for node in graph.nodes:
        if node.target in _SHORT:
            node.target = _SHORT[node.target]
    module.recompile()
    run: Function = module.forward
    return run


def _is_identity(node: Any, source: Any) -> bool:
    """Whether the permutations from a source to a node undo each other."""
    steps = []
    while node is not source:
        steps.append(node)
        node = node.args[0]
    order = list(range(len(source.meta["layout"][0])))
    for step in reversed(steps):
        if step.target is _aten.permute.default:
            order = [order[dim] for dim in step.args[1]]
        else:
            first, second = step.args[1:3]
            order[first], order[second] = order[second], order[first]
    return order == sorted(order)
