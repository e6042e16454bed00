"""Write the pipelines of docs/ci and the GitLab component anew from their templates."""

from tests.pipelines.samples import samples

if __name__ == "__main__":
    for path, text in samples().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
