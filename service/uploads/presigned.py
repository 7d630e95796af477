"""Presigned uploads: sent straight to storage by a URL, and copied from there when they are complete.

A URL that was given out can be used for its whole hour, whatever has become of its upload. So what it leads to is never the
file of an upload: the bytes that are checked, counted and kept are those of a copy, to which no URL leads. Whoever dies
between two lines leaves a place that the sweeper looks at, and an upload that can be completed again.
"""

from contextlib import suppress
from secrets import token_hex

import msgspec

from core.media.formats import HEAD_BYTES
from core.model.upload import Upload
from core.storage.errors import FileMissing, StorageDown
from core.storage.upload_files import SENT_FOLDER
from service.context import ApiContext
from service.problems import ApiError
from service.uploads.inspector import Inspector
from service.uploads.lifecycle import as_it_is, check_room, new_upload, remove_refused
from service.uploads.receive import check_content_length

#: what a look at a file takes in memory: its head, as it comes and as it is read
LOOK_ROOM_BYTES = 2 * HEAD_BYTES


def new_sent_upload(context: ApiContext, tenant: str, filename: str) -> Upload:
    """Name a file that will be sent by a URL. Raises ApiError (415) where its name says that it is not taken."""
    upload = new_upload(context, tenant, filename, Inspector(filename).format)
    return msgspec.structs.replace(upload, path=f"{SENT_FOLDER}/{upload.id}")


async def keep_what_was_sent(context: ApiContext, sent: Upload) -> None:
    """Copy what was sent, look at the copy and keep it, unless another call has done so. What is refused goes.

    `sent` may have been signed by an older release, whose URLs lead to where it kept the file, too.
    """
    try:
        size_bytes = await context.storage.size_bytes(sent.path)
        check_content_length(size_bytes)
        copy = await _copy(context, sent, size_bytes)
    except FileMissing:
        if await context.uploads.expected(sent.id) is None:
            return
        raise ApiError(409, "not_uploaded", "The file is not there yet: PUT it to its url first.") from None
    except ApiError:
        if not await remove_refused(context, sent, only="expected"):
            return
        raise
    await _keep(context, sent, copy)


async def _copy(context: ApiContext, sent: Upload, size_bytes: int) -> Upload:
    """Copy it to a place of its own, and look at the copy; one that is refused goes. Raises ApiError, FileMissing."""
    path = f"uploads/{sent.id}-{token_hex(4)}" + (f".{sent.format}" if sent.format else "")
    copy = msgspec.structs.replace(sent, path=path)
    await context.uploads.announce_copy(copy)
    try:
        await context.storage.copy(sent.path, copy.path, size_bytes=size_bytes)
        return await _checked(context, copy)
    except (ApiError, FileMissing):
        with suppress(StorageDown):  # the sweeper looks there anyway
            await context.storage.delete(copy.path)
        raise


async def _checked(context: ApiContext, copy: Upload) -> Upload:
    size_bytes = await context.storage.size_bytes(copy.path)
    check_content_length(size_bytes)
    found = Inspector(copy.filename).check_head(await context.storage.head(copy.path, HEAD_BYTES))
    return await as_it_is(context, copy, found, size_bytes)


async def _keep(context: ApiContext, sent: Upload, copy: Upload) -> None:
    """Remember it. Where nobody hears whether it was remembered, it is kept, or is still expected and copied again."""
    kept_bytes = await context.uploads.keep_copy(copy)
    with suppress(StorageDown):  # the sweeper looks there anyway, when nothing more can be sent
        await context.storage.delete(sent.path)
    if kept_bytes is None:
        await context.storage.delete(copy.path)
    else:
        await check_room(context, copy, kept_bytes)
