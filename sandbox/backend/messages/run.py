"""What is known of one message: its row in the ledger and, once accepted, its run. Data only."""

from dataclasses import dataclass, field
from typing import Literal

from sandbox.backend.messages.channel import Channel
from sandbox.backend.messages.stories import Plan, Shape
from sandbox.backend.messages.talk import Language
from sandbox.backend.sessions import Session
from sandbox.backend.tokens import Token
from sandbox.edits import Edited


@dataclass
class Message:
    """One message that was received, also a refused one. `charged`: credits, 0 until the edit has landed."""

    session_id: str
    token_id: str
    text: str
    at_s: float
    status: Literal["running", "done", "lost", "refused"] = "running"
    charged: int = 0


@dataclass
class Run:
    """One accepted message under way."""

    session: Session
    token: Token
    plan: Plan
    message: Message
    #: what the editor makes of it; in the draft only when it lands
    edited: Edited
    #: the media that were new when it began
    used_urls: frozenset[str]
    #: credits, frozen until it ends
    cost: int
    #: 0 up to 1, by hash: what chance decides goes by it
    draw: float
    shape: Shape
    language: Language
    channel: Channel = field(default_factory=Channel)
