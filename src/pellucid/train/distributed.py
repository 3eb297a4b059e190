"""Several processes that train one network, as torchrun starts them: each takes its part of every batch."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

PATIENCE = timedelta(days=1)  # of those that wait while the leading process looks at many images


@dataclass(frozen=True)
class Group:
    """The processes of a run; one alone by default.

    Attributes:
        rank: the number of this process; number 0 leads: it alone writes files and shows progress.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def share(self, index: Tensor) -> Tensor:
        """Return this process's part of a batch's indices (B,)."""
        return index[self.rank :: self.size]

    def purpose(self, *purpose: str | int) -> tuple[str | int, ...]:
        """Return what a generator is for, told apart from the same in the other processes."""
        return purpose if self.rank == 0 else (*purpose, "process", self.rank)

    def average(self, model: nn.Module, loss: float, count: int) -> float:
        """Replace the gradients by their mean over all processes' samples, and return the mean loss.

        Args:
            model: its gradients are the means over this process's samples.
            loss: the mean over this process's samples.
            count: how many samples that is; 0 is allowed.
        """
        if self.size == 1:
            return loss
        parameters = [value for value in model.parameters() if value.requires_grad]
        gradients = [torch.zeros_like(value) if value.grad is None else value.grad for value in parameters]
        told = torch.tensor([loss, 1.0], dtype=gradients[0].dtype)
        message = torch.cat([*(gradient.flatten() for gradient in gradients), told]).mul_(count)
        distributed.all_reduce(message)
        message.div_(message[-1].item())
        parts = message[:-2].split([gradient.numel() for gradient in gradients])
        for value, part in zip(parameters, parts, strict=True):
            value.grad = part.view_as(value)
        return message[-2].item()

    def share_out(self, work: Callable[[Tensor], Tensor], items: Tensor) -> Tensor:
        """Return `work` of items (N, ...), of their shape, each process having worked on its part of them.

        All processes give the same items; `work` treats each by itself.
        """
        if self.size == 1:
            return work(items)
        made, mine = torch.zeros_like(items), slice(self.rank, None, self.size)
        if self.rank < len(items):
            made[mine] = work(items[mine])
        distributed.all_reduce(made)
        return made

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any of the processes."""
        if self.size == 1:
            return flag
        told = torch.tensor(float(flag))
        distributed.all_reduce(told)
        return told.item() > 0

    def leader_says(self, number: float) -> float:
        """Return the number that the leading process gives."""
        if self.size == 1:
            return number
        told = torch.tensor(number, dtype=torch.float64)
        distributed.broadcast(told, 0)
        return told.item()

    def wait(self) -> None:
        """Return when all processes have come here, so that what the leading one wrote is there for all."""
        if self.size > 1:
            distributed.barrier()


@contextlib.contextmanager
def joined() -> Iterator[Group]:
    """Yield the group that torchrun started this process in, or a group of one; a block within another shares it."""
    size = int(os.environ["WORLD_SIZE"]) if distributed.is_torchelastic_launched() else 1
    if size == 1:
        yield Group()
        return
    if distributed.is_initialized():
        yield Group(distributed.get_rank(), size)
        return
    distributed.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield Group(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()
