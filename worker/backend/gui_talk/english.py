"""GUI talk in English. The first rule that matches a clause decides."""

from worker.backend.gui_talk.rules import rule, weak_rule

_LABEL = r"\W{0,3}(?:(?:(?:pro )?tip|note|hint|shortcut|step \d{1,2}|next steps?)\s?[:：]\W{0,3})?"
_CAN = r"(?:(?:can|could|may|might|should|must)(?: (?:want|like|need|wish) to)?|(?:just |only )?(?:need|have|want) to)"
_MANNER = (
    rf"(?:(?:please|now|then|next|first|finally|simply|just|also|or|and|but|so|alternatively|otherwise|"
    rf"from there|here|again|always|either|you(?:['’]ll| will)? {_CAN}|feel free to|(?:be|make) sure to|remember to|"
    r"don['’]t forget to|try(?: to)?|go ahead and|(?:all|what) you (?:need|have) to do is|you(?:['’]re| are) welcome to|"
    r"(?:all that['’]s left|the (?:last|next|only) (?:step|thing)(?: left)?) is to|"
    r"(?:i|we)(?:['’]d| would)? (?:recommend|suggest|advise)(?: that)?(?: you)?|"
    r"if (?:needed|you (?:like|want|wish)))[ ,:]{1,3})"
)
#: ``once you are happy``, ``when it's ready``, ``as soon as the bar is full``: what an instruction waits for.
_CONDITION = (
    r"(?:(?:once|when|whenever|after|as soon as|if|before|until) "
    r"(?:you(?:['’](?:re|ve|d))?|it(?:['’]s)?|this|that|everything|all|(?:the|your) \w{1,20}|\w{1,20}ing|"
    r"done|ready|finished|happy|satisfied)\b[^,;]{0,40}?[ ,])"
)
_NOUN = (
    r"(?:buttons?|icons?|tabs?|menus?|sub-?menus?|panels?|panes?|toolbars?|side ?bars?|ribbon|dialogs?(?: box)?|"
    r"drop-?downs?|check ?box(?:es)?|radio buttons?|sliders?|toggles?|toggle switch|pop-?ups?|popovers?|modals?|"
    r"tooltips?|toasts?|notifications?|inspector|(?:media|asset|music|clip) library|"
    r"preview (?:window|area|pane|player|screen)|editor|preferences|settings|workspace|dashboard|playhead|scrubber|"
    r"context menu)\b"
)
#: ``in the left sidebar``, ``from the File menu``: where an instruction is carried out.
_WHERE = (
    r"(?:(?:in|on|from|under|inside|within|using|via|at) (?:the|your|this) "
    rf"(?:[\w-]{{1,20}} ){{0,3}}{_NOUN}[^,;]{{0,40}}?[ ,]{{1,2}})"
)
_LEAD = rf"{_LABEL}{_MANNER}{{0,5}}(?:(?:{_CONDITION}|{_WHERE}){_MANNER}{{0,3}})?"
_YOU_CAN = (
    rf"{_LABEL}(?:(?:now|then|next|also|here|and|or) )?{_CONDITION}?"
    rf"(?:you(?:['’]ll| will)?(?: (?:now|also|then|always))? (?:be able to|{_CAN})|feel free to|(?:be|make) sure to|"
    r"you(?:['’]re| are) welcome to)"
    r"(?: (?:now|also|then|always|simply|just|easily|either)){0,2} "
)
#: ``you'll see``, ``you should get``: what a screen would show.
_YOU_SEE = (
    rf"{_LABEL}(?:(?:now|then|next|here|and|or) )?(?:{_CONDITION}|{_WHERE})?you(?:['’]ll| will| should| can| may| might)?"
    r"(?: (?:now|also|then|soon))? (?:see|get|find|notice|receive|have|be (?:shown|asked|prompted|notified))\b"
)
_QUOTE = r"[\"“‘'「『《`*\[]"
_WIDGET = r"(?:button|icon|tab|menu|panel|toolbar|side ?bar|dialog|drop-?down|window|page|slider|toggle|switch)\b"
_PLACE = rf"(?:{_NOUN}|(?:drop|upload) (?:zone|area)|(?:timeline|track|player|browser|app|page|project|window)\b)"
_NAMED = (
    r"(?:export|properties|text|title|media|timeline|effects?|audio|music|settings?|preview|library|layers?|tools?|edit|"
    r"file|view|share|download|render|save|play|undo|redo|apply|main|left|right|side|top|bottom|control|project|"
    r"captions?|subtitles?|colou?rs?|filters?|transitions?|stickers?|split|trim|crop|speed|volume|upload|import|history|"
    rf"elements?|templates?|options?|plus|gear|{_QUOTE}[^\"”’'」』》`*\]]{{1,30}}[\"”’'」』》`*\]])"
)
_PRESSED = (
    r"(?:export|save|download|apply|render|publish|share|done|ok|play|settings|undo|redo|continue|confirm|generate|"
    r"next|split|delete|duplicate|import|upload|preview|cancel|finish)\b"
)
_ACCOUNT = r"(?:account|billing|subscription|credits?\b(?: balance)?|balance|plan\b|pricing)"
_CLICK = (
    r"(?:(?:double|right|left|long|single|shift|ctrl|cmd|command|alt|option)[ -])?(?:click|tap)(?:ing)?|"
    r"(?:long[ -]press|(?:press|tap|click) and hold)(?:ing)?"
)
_DRAG_AND_DROP = r"drag(?:ging)?\s?(?:and|&|/|-and-)\s?drop"
#: ``Ctrl+E``, ``⌘S``, ``Cmd + Shift + E``.
_CHORD = r"(?:(?:ctrl|control|cmd|command|alt|option|opt|shift|win|meta)\s?[-+]\s?[^\s,]|[⌘⌥⇧⌃])"
_KEY = (
    rf"(?:{_CHORD}|(?:ctrl|cmd|alt|shift|esc|escape|enter|return|delete|backspace|tab|space(?: ?bar)?|f\d{{1,2}}|"
    r"(?:(?:left|right|up|down) )?arrow)(?: keys?)?(?=\s?$|\s(?:to|on|at|and|or|while|when|for|again|if|once|twice|in)\b)|"
    r"[\w-]{1,12} keys?\b(?! \w+ing| sound| click)|(?-i:[A-Z])(?=\s?$|\s(?:to|on|and|or|for|while|when)\b))"
)
_ARROW = r"\s?(?:→|->|>|»|›|▸|⇒)\s?"
_MENU = (
    r"(?:file|edit|view|tools?|settings|effects?|export|project|format|window|help|insert|clip|share|account|options|"
    r"preferences|media|audio|text|title|captions?|colou?r|advanced|output)"
)
_HANDLE = r"(?:sliders?|knobs?|dials?|playhead|scrubber|(?:trim |clip )?handles?|seek ?bar)\b"
_TOAST = (
    r"(?:toast|notification|pop-?up|dialog(?: box)?|modal|tooltip|spinner|confirmation|progress bar|drop-?down|menu|"
    r"context menu|prompt)"
)
_BY_HAND = rf"(?:(?:{_CLICK})|press(?:ing)?|hitting|dragging|toggling|long-pressing|double-tapping|swiping|pinching)"

#: What a person is told to do with a widget; the backend itself reports in the past tense.
_GO = r"(?:hop|jump|go|get|head|dive|look|browse|explore|find|peek|pop|return|navigate|switch|move over)"
_DO = (
    r"(?:enter|type|tweak|change|edit|control|fine-tune|adjust|set|check|trim|split|add|remove|replace|rename|mute|unmute|"
    r"turn|pick|grab|move|drop|restyle|recolou?r|resize|reorder|crop|save|share|play|pause|start|stop|rewrite|"
    r"customi[sz]e|manage|access|swap|search|upload|import|review|delete|duplicate|copy|paste|reset|expand|collapse|lock|"
    r"unlock|view|see|use|close|choose|select|keep|confirm|name|rotate|flip|undo|redo|filter|sort|lower|raise|increase|"
    r"decrease|refresh|reload|drag|zoom)"
)
_THE = r"(?:the|your|this|that|an?|any|its|each)"

ENGLISH_RULES = (
    rule(
        "api",
        rf"{_LEAD}(?:press|hit|push|use|type|tap|hold(?: down)?|try)\s(?:down )?(?:the )?(?:keyboard )?(?:shortcut )?{_KEY}",
    ),
    rule("api", rf"{_YOU_CAN}.{{0,60}}?\b(?:with|using|via|by (?:pressing|hitting|using|holding)) (?:the )?{_CHORD}"),
    weak_rule(
        "api",
        rf"{_LABEL}(?:(?:the|your|a) )?(?:keyboard )?shortcuts?\b.{{0,40}}(?:\b(?:is|are|lets?|will)\b|[:=]|{_CHORD})|",
        rf"{_LABEL}{_CHORD}\S{{0,12}}\s",
    ),
    rule("api", rf"{_LEAD}(?:(?:{_CLICK})|press|hit|push|select|choose|use|pick)\s.{{0,40}}?[\w\"”]{_ARROW}[\"“]?\w"),
    weak_rule(
        "state",
        rf"{_LEAD}(?:go to|head to|navigate to|open|under|via|see|visit|look under)\s.{{0,40}}?[\w\"”]{_ARROW}[\"“]?\w|",
        rf"{_LABEL}{_MENU}{_ARROW}[\"“]?\w|{_YOU_SEE} .{{0,60}}?\b(?:under|in|at|via|on)\b .{{0,30}}?\w{_ARROW}\w",
    ),
    rule(
        "api",
        rf"{_LABEL}{_MANNER}{{0,5}}{_WHERE}{_MANNER}{{0,3}}(?:choose|select|pick|tick|check|set|type|enter|adjust)\b",
    ),
    weak_rule(
        "summary",
        rf"{_LABEL}(?:the|your|a) (?:live )?(?:preview|player) (?:window|pane|panel|area|player|screen)\b"
        r".{0,40}?\b(?:shows?|plays?|is|will|lets?|displays?|updates?)\b|"
        rf"{_LEAD}(?:see|view|check|look at|check out)\b.{{0,50}}\b(?:preview (?:window|pane|panel|area|player|screen)|player)\b",
    ),
    weak_rule("api", rf"{_LEAD}(?:press|hit|tap|choose|select|pick) (?-i:[A-Z][a-z]{{1,15}})\s?$"),
    weak_rule(
        "state",
        rf"{_LABEL}{_THE} (?:[\w-]{{1,20}} )?(?:slider|toggle|check ?box|toolbar|side ?bar|drop-?down|playhead|scrubber) "
        r"(?:is|sits|can|lets?|will|on|under|below|above|beside|next)\b",
    ),
    weak_rule("message", rf"{_LEAD}(?:move|slide|push|pull|nudge|turn|drag|grab)\s.{{0,40}}?\b{_HANDLE}"),
    weak_rule("state", rf"{_LEAD}(?:scroll|swipe)\s(?:down|up|to|through|left|right|over|along|the|your|until)\b"),
    weak_rule(
        "state",
        rf"{_LEAD}(?:zoom|pinch)\b.{{0,40}}?\b(?:timeline|canvas|preview|player|view|tracks?|ruler|mouse|trackpad|to (?:see|"
        r"check|inspect|get))\b",
    ),
    weak_rule("state", rf"{_LEAD}(?:hover\s(?:over|on|above|your)\b|use .{{0,30}}\bto (?:zoom|scroll|pan|hover)\b)"),
    weak_rule(
        "api",
        rf"{_LEAD}use (?:the|your) (?:mouse|scroll|trackpad|touchpad|cursor|keyboard|arrow keys|(?:left|right) button)\b",
    ),
    weak_rule(
        "api",
        rf"{_LEAD}(?:(?:un)?(?:check|tick) (?:the|this|that) (?:\w{{1,20}} )?box\b|toggle\s\w|(?:un)?(?:check|tick) {_QUOTE}|(?:enable|disable) {_QUOTE}|"
        rf"(?:flip|turn|switch|enable|disable|activate|set)\s.{{0,50}}?\b(?:toggle|switch|check ?box)\b)",
    ),
    weak_rule(
        "state",
        rf"{_LABEL}(?:{_CONDITION},? ?)?(?:an?|the|your) (?:[\w-]{{1,20}} ){{0,2}}?{_TOAST} "
        r"(?:will|should|may|can|pops?|opens?|appears?|shows?|asks?|confirms?|tells?|lets?)\b|"
        rf"{_YOU_SEE} .{{0,50}}?\b(?:{_NOUN}|(?:confirmation|success) message\b)",
    ),
    weak_rule(
        "state",
        rf"{_LABEL}(?:there(?:['’]s| is| are)|look for) (?:also )?(?:an?|the|some|two|three) (?:[\w-]{{1,20}} ){{0,3}}?"
        r"(?:buttons?|icons?|tabs?|menus?|panels?|toolbars?|side ?bars?|sliders?|toggles?|check ?box(?:es)?|drop-?downs?) "
        r"(?:in|on|at|below|above|to|for|that|next|under|where)\b",
    ),
    weak_rule(
        "state",
        rf"{_LABEL}(?:{_CONDITION},? ?)?{_THE} (?:[\w-]{{1,20}} ){{0,2}}(?:window|box|panel|tab|link|button) "
        r"(?:will (?:open|appear|pop)|pops up|(?:opens|appears|shows up) (?:in|on|at|below|above))\b",
    ),
    weak_rule(
        "state",
        rf"{_LABEL}{_THE} (?:[\w-]{{1,20}} ){{1,3}}(?:is|are|sits?) (?:at|in|on|under|above|below|beside|next to) .{{0,30}}?"
        r"\b(?:toolbar|side ?bar|menu bar|drop-?down|dialog|ribbon|dashboard|context menu|inspector)\b",
    ),
    weak_rule(
        "api",
        rf"{_LABEL}(?:by |just |simply )?{_BY_HAND}\s(?:on |the )?(?:{_QUOTE}|{_PRESSED}|.{{0,40}}?\b{_NOUN}|{_CHORD})",
    ),
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
        rf"{_LEAD}(?:{_CLICK})(?:\s(?:on|the|your|it|here|again|this|that|any|an?|each|and|anywhere)\b|",
        rf"\s{_QUOTE}|\s{_PRESSED}|$)",
    ),
    weak_rule("api", rf"{_LEAD}(?:{_CLICK})\s(?:.{{0,40}}\b{_WIDGET}|(?-i:[A-Z]))"),
    rule("api", rf"{_LEAD}(?:press|hit|push|select|choose)\s(?:the )?{_QUOTE}?{_PRESSED}"),
    weak_rule("api", rf"{_LEAD}(?:press|hit)\s(?:on |the )?{_QUOTE}"),
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
        rf"toggle|close|access|check|adjust|see)\b(?!-).{{0,50}}?\b{_NOUN}",
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
        r"(?:(?:is|are|sits?) (?:now |also |right )?(?:in|at|on|under|below|above|next|beside|there|where|available|enabled|"
        r"active|located|found)|will|can|lets?|allows?|shows?|has|contains?|at the|in the (?:top|bottom|upper|lower|left|right)|"
        r"on (?:the|your) (?:left|right|top|bottom|side|screen|page))\b",
    ),
    weak_rule(
        "state",
        r"(?:.{0,60} )?(?:available|visible|shown|displayed|found|located|ready|lives?|"
        r"can (?:now )?be \w{2,20}) (?:in|on|from|under|at|inside|via|through|with|using) "
        rf"(?:the|your) (?:[\w*\"“”‘’-]{{1,20}} ){{0,2}}(?:{_NOUN}|{_WIDGET})",
    ),
    weak_rule("api", rf".{{0,80}}?\bby (?:(?:{_CLICK})|pressing|hitting|toggling|swiping|double-tapping)\b"),
    weak_rule("state", rf"{_LEAD}{_GO}\b(?!-).{{0,40}}?\b{_THE}\s.{{0,40}}?\b{_NOUN}"),
    weak_rule(
        "api",
        rf"{_LEAD}{_DO}\b(?!-).{{0,40}}?\b{_THE}\s.{{0,40}}?\b(?:{_NOUN}|(?:export|preview|download) (?:window|page)|page$)",
    ),
)
