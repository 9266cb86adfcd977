"""Asks Facebook whether it takes a page's token, so that a wrong one is known before the first customer writes."""

import hmac
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from story.channel_file import ChannelFile

TIMEOUT = ClientTimeout(total=10)  # seconds


async def complaint(graph: str, channel: ChannelFile, mend: str) -> str:
    """One GET of the page's own node. Empty when Facebook takes the token; else its words, and `mend`: what to do."""
    page = f"page {channel.page_id}" + (f" ({channel.page_name})" if channel.page_name else "")
    token, secret = (each.get_secret_value().encode() for each in (channel.page_token, channel.app_secret))
    query = {"fields": "id,name", "appsecret_proof": hmac.new(secret, token, "sha256").hexdigest()}
    headers = {"Authorization": f"Bearer {token.decode()}"}
    try:
        async with (
            ClientSession(timeout=TIMEOUT) as http,
            http.get(f"{graph}/me", params=query, headers=headers, allow_redirects=False) as answer,
        ):
            said = await answer.json(content_type=None)
    except (ClientError, OSError, ValueError) as failed:
        reason = str(failed) or type(failed).__name__
        return f"Facebook ({graph}) could not be asked about the token of {page}: {reason}\nThe bot tries it with each message."
    error = _error(said)
    if error:
        return f"Facebook refuses the token of {page}: {error}\nThe bot cannot write to its customers. To mend it, {mend}, and start again."
    owner = str(said.get("id")) if isinstance(said, dict) else "nobody"
    if owner != channel.page_id:
        return f"The token of {page} belongs to {owner} at Facebook, not to the page.\nTo mend it, {mend}, and start again."
    return ""


def _error(said: Any) -> str:  # any JSON that a server may answer
    if not isinstance(said, dict) or not isinstance(error := said.get("error"), dict):
        return ""
    words, code = str(error.get("message")), error.get("code")
    return words if f"#{code}" in words else f"(#{code}) {words}"  # Facebook mostly puts it there itself
