"""Three seeded training steps of each network lose exactly what they lost when the network was written.

After a change that means to alter them: PELLUCID_WRITE_GOLDEN=1 scripts/test tests/models/test_golden.py
"""

import json
import os
from pathlib import Path

import pytest
import torch

from pellucid import registry
from pellucid.objectives.batch import TrainingBatch

PATH = Path(__file__).parents[1] / "golden" / "model_steps.json"
CASES = json.loads(PATH.read_text())


def losses(case):
    torch.manual_seed(0)
    model = registry.build("model", case["model"], case["options"])
    loss = registry.build("loss", case["loss"], {}) if case["loss"] else None
    objective = registry.build("objective", case["objective"], {})
    clean = torch.rand(16, 1, 28, 28)
    noisy = (clean + 0.3 * torch.randn_like(clean)).clamp(0, 1)
    batch = TrainingBatch(clean, noisy, torch.full((16,), 0.3), torch.arange(16) % 10)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    values = []
    for _ in range(3):
        value = objective(model, loss, batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    return values


@pytest.mark.parametrize("name", CASES)
def test_the_first_steps_lose_what_they_used_to(name):
    measured = losses(CASES[name])
    if os.environ.get("PELLUCID_WRITE_GOLDEN"):
        CASES[name]["losses"] = measured
        PATH.write_text(json.dumps(CASES, indent=2) + "\n")
    assert measured == pytest.approx(CASES[name]["losses"], rel=1e-4)
