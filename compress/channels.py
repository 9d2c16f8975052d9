"""Which channels are one and the same: tied by additions, poolings and depthwise layers, read by several layers."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from penni_escalate.compress.graph import Graph, Select
from penni_escalate.compress.kinds import ROLES
from penni_escalate.compress.kinds.role import Flow
from penni_escalate.compress.layers import Coefficients
from penni_escalate.compress.portable import square_root


class Channels:
    """Groups of channels of a network that can only be kept or removed together (PENNI, model shrinking).

    Attributes:
        count: number of groups.
        read: group of each input channel of a layer, (C,), by the layer's name; of a flattened pixel, of each input.
        written: group of each output channel of a layer, (K,).
    """

    def __init__(self, network: nn.Module, graph: Graph) -> None:
        self._graph = graph
        parent: list[int] = list(range(graph.input_shape[0]))

        def new(count: int) -> list[int]:
            parent.extend(range(len(parent), len(parent) + count))
            return list(range(len(parent) - count, len(parent)))

        def root(node: int) -> int:
            while parent[node] != node:
                parent[node] = parent[parent[node]]
                node = parent[node]
            return node

        tensors: dict[str, list[int]] = {"input": list(range(graph.input_shape[0]))}
        read: dict[str, list[int]] = {}
        for layer in graph.layers:
            inputs = [node for source in layer.sources for node in tensors[source]]
            if layer.flatten:
                inputs = [node for node in inputs for _ in range(layer.in_shape[1] * layer.in_shape[2])]
            read[layer.name] = inputs
            flow = ROLES[layer.role].flow
            if flow is Flow.KEPT:
                outputs = inputs
            elif flow is Flow.PICKED:
                select = network.get_submodule(layer.module)
                assert isinstance(select, Select)
                outputs = [inputs[place] if place >= 0 else new(1)[0] for place in select.table.tolist()]
            else:
                outputs = new(layer.out_shape[0])
            for one, other in zip(outputs, tensors[layer.skip] if layer.skip else [], strict=bool(layer.skip)):
                parent[root(one)] = root(other)
            tensors[layer.name] = outputs
        numbers = {value: number for number, value in enumerate(sorted({root(node) for node in range(len(parent))}))}

        def groups(nodes: Sequence[int]) -> Tensor:
            return torch.tensor([numbers[root(node)] for node in nodes], dtype=torch.long)

        self.count = len(numbers)
        self.read = {name: groups(nodes) for name, nodes in read.items()}
        self.written = {layer.name: groups(tensors[layer.name]) for layer in graph.layers}
        self._fixed = torch.cat([groups(tensors["input"]), *(self.written[one.layer] for one in graph.results)])

    def removable(self, entries: Sequence[Coefficients]) -> Tensor:
        """Groups that may go when no coefficient reads them, bool (count,).

        Not the network's input and results, nor what a layer with dense kernels reads.
        """
        result = torch.ones(self.count, dtype=torch.bool)
        result[self._fixed] = False
        sparse = {entry.layer.name for entry in entries}
        for layer in self._graph.layers:
            if layer.name not in sparse and ROLES[layer.role].flow is Flow.MIXED:
                result[self.read[layer.name]] = False
        return result

    def unread(self, entries: Sequence[Coefficients]) -> Tensor:
        """Removable groups that no coefficient reads, bool (count,)."""
        result = self.removable(entries)
        for entry in entries:
            result[self.read[entry.layer.name][_any(entry, (0, 2))]] = False
        return result

    def silent(self, entries: Sequence[Coefficients]) -> Tensor:
        """Groups to which no coefficient contributes: they are constants; bool (count,)."""
        result = torch.ones(self.count, dtype=torch.bool)
        result[self._fixed] = False
        sparse = {entry.layer.name: entry for entry in entries}
        for layer in self._graph.layers:
            if layer.name in sparse:
                result[self.written[layer.name][_any(sparse[layer.name], (1, 2))]] = False
            elif ROLES[layer.role].flow is Flow.MIXED:
                result[self.written[layer.name]] = False
        return result

    def importance(self, scores: Mapping[str, Tensor]) -> Tensor:
        """Root mean square of the scores (K, C, M) of the coefficients that read a group; infinite unread; (count,)."""
        total, counts = torch.zeros(self.count), torch.zeros(self.count)
        for name, score in scores.items():
            energy = score.detach().float().cpu().square()
            total.index_add_(0, self.read[name], energy.sum(dim=(0, 2)))
            counts.index_add_(0, self.read[name], torch.full((score.shape[1],), float(score[:, 0].numel())))
        return torch.where(counts > 0, square_root(total / counts.clamp_min(1)), torch.inf)

    def silence(
        self, gone: Tensor, entries: Sequence[Coefficients], apply_mask: Callable[[Coefficients, Tensor], None]
    ) -> int:
        """Mask every coefficient of these groups (bool (count,)); returns how many were not masked yet."""
        changed = 0
        for entry in entries:
            table = entry.table.detach()
            inputs, outputs = gone[self.read[entry.layer.name]], gone[self.written[entry.layer.name]]
            mask = (table != 0) & ~(outputs[:, None, None] | inputs[None, :, None]).to(table.device)
            lost = int((table != 0).sum()) - int(mask.sum())
            if lost:
                apply_mask(entry, mask)
            changed += lost
        return changed

    def close(self, entries: Sequence[Coefficients], apply_mask: Callable[[Coefficients, Tensor], None]) -> int:
        """Mask what serves only channels that nothing reads or nothing feeds, until nothing changes.

        Returns how many coefficients went.
        """
        total = 0
        while changed := self.silence(self.unread(entries) | self.silent(entries), entries, apply_mask):
            total += changed
        return total


def _any(entry: Coefficients, over: tuple[int, ...]) -> Tensor:
    """Whether any coefficient is not zero, over these dimensions of (K, C, M)."""
    return (entry.table.detach() != 0).sum(dim=over).cpu() > 0
