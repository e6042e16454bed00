"""Write down what the reader makes of every example: `python -m tests.corpus.update`.

Read the difference before committing it: each line is what a user will see.
"""

from tests.corpus.examples import examples, report, runs


def main() -> None:
    """Write `X.expected` beside each invalid example, `X.runs.json` beside each valid manifest."""
    for path in (*examples("manifests/invalid"), *examples("config/invalid")):
        path.with_suffix(".expected").write_text(report(path), encoding="utf-8")
    for path in examples("manifests/valid"):
        path.with_suffix(".runs.json").write_text(runs(path), encoding="utf-8")


if __name__ == "__main__":
    main()
