"""Processes that train one network together, as torchrun starts them: each takes its part of every batch."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

BARRIER_TIMEOUT = timedelta(days=1)  # the others wait while the main process evaluates many images


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a run; a single one by default.

    Attributes:
        rank: the number of this process; number 0 is the main one.
        world_size: how many there are.
    """

    rank: int = 0
    world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def shard(self, index: Tensor) -> Tensor:
        """Return this process's part of a batch's indices (B,)."""
        return index[self.rank :: self.world_size]

    def rng_key(self, *key: str | int) -> tuple[str | int, ...]:
        """Return the key of a random generator, different in every process."""
        return key if self.rank == 0 else (*key, "process", self.rank)

    def average_gradients(self, model: nn.Module, loss: float, count: int) -> float:
        """Replace the gradients by their mean over the samples of all processes, and return the mean loss.

        Args:
            model: its gradients are the means over this process's samples.
            loss: the mean over this process's samples.
            count: the number of this process's samples; 0 is allowed.
        """
        if self.world_size == 1:
            return loss
        parameters = [value for value in model.parameters() if value.requires_grad]
        gradients = [torch.zeros_like(value) if value.grad is None else value.grad for value in parameters]
        loss_and_count = gradients[0].new_tensor([loss, 1.0])
        buffer = torch.cat([*(gradient.flatten() for gradient in gradients), loss_and_count]).mul_(count)
        distributed.all_reduce(buffer)
        buffer.div_(buffer[-1].item())
        parts = buffer[:-2].split([gradient.numel() for gradient in gradients])
        for value, part in zip(parameters, parts, strict=True):
            value.grad = part.view_as(value)
        return buffer[-2].item()

    def sharded_map(self, function: Callable[[Tensor], Tensor], items: Tensor) -> Tensor:
        """Return `function` of items (N, ...), a tensor of their shape; each process computes its part of them.

        All processes pass the same items; `function` treats each item by itself.
        """
        if self.world_size == 1:
            return function(items)
        result, own = torch.zeros_like(items), slice(self.rank, None, self.world_size)
        if self.rank < len(items):
            result[own] = function(items[own])
        distributed.all_reduce(result)
        return result

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any of the processes."""
        if self.world_size == 1:
            return flag
        value = torch.tensor(float(flag))
        distributed.all_reduce(value)
        return value.item() > 0

    def broadcast(self, value: float) -> float:
        """Return the value that the main process passes."""
        if self.world_size == 1:
            return value
        buffer = torch.tensor(value, dtype=torch.float64)
        distributed.broadcast(buffer, 0)
        return buffer.item()

    def barrier(self) -> None:
        """Return when all processes have called this, so that all can read what the main process has written."""
        self.any(False)


@contextlib.contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Yield the group that torchrun started this process in, or a group of one; a nested block gets the same group.

    Tensors on CUDA GPUs are exchanged by NCCL, others by Gloo.
    """
    size = int(os.environ["WORLD_SIZE"]) if distributed.is_torchelastic_launched() else 1
    if size == 1:
        yield ProcessGroup()
        return
    if distributed.is_initialized():
        yield ProcessGroup(distributed.get_rank(), size)
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=BARRIER_TIMEOUT)
    try:
        yield ProcessGroup(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()
