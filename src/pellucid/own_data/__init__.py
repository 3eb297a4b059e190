"""Networks for one's own images: look at folders, choose how to train, train, measure and report."""

from pellucid.own_data.sources import Sources
from pellucid.own_data.training import DATA, Options, Outcome, Plan, begun, plan, train_listed

__all__ = ["DATA", "Options", "Outcome", "Plan", "Sources", "begun", "plan", "train_listed"]
