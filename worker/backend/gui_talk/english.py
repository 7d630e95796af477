"""GUI talk in English. The first rule that matches a clause decides."""

from worker.backend.gui_talk.rules import rule, weak_rule

_LABEL = r"\W{0,3}(?:(?:(?:pro )?tip|note|hint|step \d{1,2}|next steps?)\s?[:：]\W{0,3})?"
_CAN = r"(?:can|could|may|might|should|must|(?:just |only )?(?:need|have|want) to)"
_LEAD = (
    rf"{_LABEL}(?:(?:please|now|then|next|first|finally|simply|just|also|or|and|but|so|alternatively|otherwise|"
    rf"from there|here|again|always|either|you(?:['’]ll| will)? {_CAN}|feel free to|(?:be|make) sure to|remember to|"
    r"don['’]t forget to|try to|go ahead and|(?:all|what) you (?:need|have) to do is|"
    r"i (?:recommend|suggest) (?:that )?you|if (?:needed|you (?:like|want|wish)))[ ,:]{1,3}){0,5}"
)
_YOU_CAN = (
    rf"{_LABEL}(?:(?:now|then|next|also|here|and|or) )?"
    rf"(?:you(?:['’]ll| will)?(?: (?:now|also|then|always))? (?:be able to|{_CAN})|feel free to|(?:be|make) sure to)"
    r"(?: (?:now|also|then|always|simply|just|easily|either)){0,2} "
)
_QUOTE = r"[\"“‘'「『《`*\[]"
_WIDGET = r"(?:button|icon|tab|menu|panel|toolbar|side ?bar|dialog|drop-?down|window|page)\b"
_NOUN = (
    r"(?:buttons?|icons?|tabs?|menus?|panels?|toolbars?|side ?bars?|dialogs?|drop-?downs?|check ?boxe?s?|sliders?|"
    r"pop-?ups?|inspector|(?:media|asset) library|preview (?:window|area|pane|player)|editor|preferences|settings|"
    r"workspace|dashboard|playhead)\b"
)
_PLACE = rf"(?:{_NOUN}|(?:drop|upload) (?:zone|area)|(?:timeline|track|player|browser|app|page|project|window)\b)"
_NAMED = (
    r"(?:export|properties|text|title|media|timeline|effects?|audio|music|settings?|preview|library|layers?|tools?|edit|"
    r"file|view|share|download|render|save|play|undo|redo|apply|main|left|right|side|top|bottom|control|project)"
)
_PRESSED = (
    r"(?:export|save|download|apply|render|publish|share|done|ok|play|settings|undo|redo|continue|confirm|generate)\b"
)
_ACCOUNT = r"(?:account|billing|subscription|credits?\b(?: balance)?|balance|plan\b|pricing)"
_CLICK = r"(?:double-|right-|left-)?(?:click|tap)"
_DRAG_AND_DROP = r"drag(?:ging)?\s?(?:and|&|/|-and-)\s?drop"

ENGLISH_RULES = (
    rule(
        "credits",
        rf"{_LEAD}(?:check|visit|see|view|go to|open|review|manage|look at|log ?in to|upgrade|top up)\s",
        rf"(?:(?:out|your|the|my|in) ){{0,2}}(?:nemo ?video )?{_ACCOUNT}",
    ),
    rule(
        "summary",
        rf"{_LEAD}(?:preview|review|watch|play(?: back)?|scrub)\b.{{0,50}}\b(?:timeline|player|playhead|preview )",
    ),
    weak_rule(
        "summary",
        r"\W{0,3}(?:a |the |your )?(?:live )?preview (?:is|will be|can be)\b.{0,40}\b(?:timeline|player|window|panel)",
    ),
    weak_rule("summary", r".{0,40}\b(?:preview|see|view|watch) .{0,30}\bin (?:the |your )?timeline\b.{0,30}$"),
    rule(
        "message",
        rf"{_LEAD}drag(?:\s?(?:and|&|/|-and-|-)\s?drop)?\s",
        r"(?:(?:the|your|it|them|an?|any|each|this|that|these|its|one|clips?|files?|media|photos?|images?|videos?|handles?|",
        rf"edges?|left|right|to|onto|into|over|from|here|up|down|in)\b|{_QUOTE})",
    ),
    rule(
        "message",
        rf"{_LEAD}drop\s(?:the|your|it|them|an?|any|this|these|clips?|files?|media)\b",
        rf".{{0,50}}(?:\bhere\b|\b(?:in|on|onto|into|to) .{{0,20}}{_PLACE})",
    ),
    weak_rule("message", rf".{{0,60}}\b(?:{_DRAG_AND_DROP}|by dragging)\b"),
    rule(
        "api",
        rf"{_LEAD}{_CLICK}(?:\s(?:on|the|your|it|here|again|this|that|any|an?|each|and|anywhere)\b|",
        rf"\s{_QUOTE}|\s{_PRESSED}|$)",
    ),
    weak_rule("api", rf"{_LEAD}{_CLICK}\s(?:.{{0,40}}\b{_WIDGET}|(?-i:[A-Z]))"),
    rule("api", rf"{_LEAD}(?:press|hit|push|select|choose)\s(?:the )?{_QUOTE}?{_PRESSED}"),
    rule(
        "state",
        rf"{_LEAD}(?:open|reopen|bring up|pull up|launch|expand|go (?:back )?to|navigate to|head (?:over |back )?to|",
        rf"switch to)\s(?:up )?(?:the|your|this|its|any|our|{_QUOTE}|(?-i:[A-Z])).{{0,50}}?{_PLACE}",
    ),
    rule(
        "state",
        rf"{_YOU_CAN}\w+.{{0,80}}?\b(?:in|on|from|using|via|with|under|by|at|through|inside)\b",
        rf".{{0,40}}?(?:{_NOUN}|dragging|clicking|timeline\b)",
    ),
    weak_rule(
        "api",
        rf"{_LEAD}(?:press|hit|push|select|choose|pick|use|find|locate|look (?:for|at)|scroll .{{0,10}}to|hover over|",
        rf"toggle|close|access|check|adjust|see)\b.{{0,50}}?\b{_NOUN}",
    ),
    rule("export", rf"{_YOU_CAN}(?:export|download|render|save|share|publish)\b(?! (?:of|quality))"),
    weak_rule(
        "export",
        r"\W{0,3}(?:please |now |then |simply |just ){0,2}(?:export|download) (?:it|your|the|this|them|when|once|as)\b",
    ),
    weak_rule("export", r".{0,60}\bexport[\"”’']? (?:button|menu|icon|tab|option|panel|dialog)\b"),
    weak_rule(
        "state",
        rf"\W{{0,3}}(?:the|your) (?:\w+ )?{_NAMED} {_WIDGET} ",
        r"(?:is|are|will|can|shows?|lets?|allows?|has|contains?|at|on|in)\b",
    ),
    weak_rule(
        "state",
        r"(?:.{0,60} )?(?:available|visible|shown|displayed|found|located|ready) (?:in|on|from|under|at|inside) ",
        rf"(?:the|your) (?:\w+ ){{0,2}}(?:{_NOUN}|{_WIDGET})",
    ),
)
