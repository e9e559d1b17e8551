"""A zip whose bytes depend on the names and contents of its entries alone: no time, no system, no user."""

from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


class FixedZip(ZipFile):
    """Opened for writing, it takes each entry as of 1980-01-01 and deflates it at level 6."""

    def writestr(self, name, data, *_args):
        """Adds an entry from bytes."""
        super().writestr(self._entry(name), data, compresslevel=6)

    def write(self, filename, arcname=None, *_args):
        """Adds an entry from a file."""
        entry = self._entry(arcname)
        with open(filename, "rb") as source, self.open(entry, "w") as target:
            while chunk := source.read(1 << 20):
                target.write(chunk)

    @staticmethod
    def _entry(name: str) -> ZipInfo:
        entry = ZipInfo(name, ZIP_EPOCH)
        entry.create_system, entry.external_attr = 3, 0o600 << 16
        entry.compress_type = ZIP_DEFLATED
        entry._compresslevel = 6
        return entry
