"""How an upload goes with its bytes, by whoever removes it: the API at a caller's word, the sweeper when its time is over.

First no job can name it any more, then its bytes go, then what is known of it. Who dies in between has left one that the
next can remove, and none that a job was accepted with and whose bytes are gone.
"""

from typing import Final

from core.model.upload import Upload
from core.storage.storage import Storage
from core.store.uploads import Only, Uploads

#: the largest file that any profile takes, inclusive
UPLOAD_LIMIT_BYTES: Final = 500_000_000
#: where callers send files straight to, each under its upload's id
SENT_FOLDER: Final = "sent"


async def remove_upload(storage: Storage, uploads: Uploads, upload: Upload, *, only: Only = None) -> bool:
    """Delete an upload. False: it is none of those that `only` means, any more. Safe to repeat. Raises StorageDown."""
    if not await uploads.withdraw(upload, only):
        return False
    await storage.delete(upload.path)
    await uploads.drop(upload)
    return True
