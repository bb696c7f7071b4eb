"""The files of the reports' folder, as they are; what is hidden, half written or of another kind is not there."""

import mimetypes
import os
from pathlib import Path, PurePath

from starlette.staticfiles import StaticFiles

KINDS = {
    ".html": "text/html",
    ".csv": "text/csv",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
}
mimetypes.add_type(KINDS[".parquet"], ".parquet")


class WrittenFiles(StaticFiles):
    """Serves `folder`, GET and HEAD only; a path that leads out of it, by dots or by a link, is not found."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, check_dir=False)

    async def check_config(self) -> None:
        """Nothing to check: the folder is made by the first report, which may come later."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        parts = PurePath(path)
        if parts.suffix not in KINDS or any(part.startswith(".") for part in parts.parts):
            return "", None
        return super().lookup_path(path)
