"""Choose settings where none are published, on validation nodes alone.

    python benchmarks/select_settings.py gbt/cora benchmarks/results/gbt-cora-selection.csv

Only the validation accuracy of the probe is looked at or written, with training seeds that are not
those of the benchmark. On a public split no test node plays a part; with 20 random splits the
validation nodes of one split are test nodes of others, so what is chosen there counts as tuned.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from torch.optim import AdamW
from torch_geometric.seed import seed_everything

import gcl
from gcl.benchmark import Run, load_data, provenance, resolve, write_rows
from gcl.evaluate import linear_probe
from gcl.training import embed, fit, warmup_cosine

# name: (protocol, epochs, warm-up and cosine?, grid); lr is the training's, the rest the recipe's
GRIDS = {
    "gbt/cora": (
        "public",
        200,
        True,
        {
            "hidden": (256,),
            "drop_edge": (0.3, 0.5),
            "mask_feature": (0.1, 0.3, 0.5),
            "lr": (5e-4, 2e-3),
        },
    ),
    "grace/digits": (
        "random-10-10-80",
        100,
        False,
        {
            "drop_edge": ((0.2, 0.4), (0.4, 0.4)),
            "mask_feature": ((0.0, 0.0), (0.1, 0.1), (0.3, 0.4)),
            "normalize": (False,),  # pixels are no word counts
            "tau": (0.4, 0.6),
            "lr": (1e-3,),
        },
    ),
}
SEEDS = (100, 101)


def main(name: str, path: Path) -> None:
    recipe, dataset = name.split("/")
    protocol, epochs, warm, grid = GRIDS[name]
    data, told, rows = load_data(Run(recipe, dataset)), provenance(), []
    for values in itertools.product(*grid.values()):
        setting = dict(zip(grid, values, strict=True))
        options = {key: value for key, value in setting.items() if key != "lr"}
        scores = []
        for seed in SEEDS:
            seed_everything(seed)
            method = resolve(recipe, gcl.methods, "recipe")(data, **options)
            fit(
                method,
                data,
                epochs=epochs,
                optimizer=lambda p, lr=setting["lr"]: AdamW(p, lr=lr, weight_decay=1e-5),
                scheduler=warmup_cosine(epochs // 10, epochs) if warm else None,
            )
            probe = linear_probe(embed(method, data), data.y, protocol=protocol, data=data)
            scores.append(probe["val_accuracy"])
        rows.append(
            {**setting, "epochs": epochs, "val_accuracy": sum(scores) / len(scores), **told}
        )
        print(rows[-1], flush=True)
        write_rows(path, rows)
    best = max(rows, key=lambda row: row["val_accuracy"])
    print("chosen:", {key: best[key] for key in (*grid, "epochs", "val_accuracy")})


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
