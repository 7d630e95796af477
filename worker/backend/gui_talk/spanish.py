"""GUI talk in Spanish, one of the languages in which the backend is asked to speak. The first rule that matches a clause decides."""

from worker.backend.gui_talk.rules import rule, weak_rule

_MANNER = (
    r"(?:(?:por favor|ahora|luego|después|entonces|primero|finalmente|simplemente|solo|sólo|también|y|o|pero|así que|"
    r"puedes|puede|podrás|podrá|debes|debe|tienes que|tiene que|no olvides|recuerda|recuerde|"
    r"si (?:quieres|quiere|deseas|desea|lo prefieres))[ ,:]{1,3})"
)
#: ``cuando estés listo``, ``para descargarlo``: what an instruction waits for, or is for.
_CONDITION = r"(?:(?:cuando|una vez que|si|tras|después de|antes de|para) [^,;]{1,50}?[ ,])"
_LEAD = rf"\W{{0,3}}{_MANNER}{{0,4}}(?:{_CONDITION}{_MANNER}{{0,3}})?"
_WIDGET = (
    r"(?:bot[oó]n(?:es)?|icono|ícono|pestañas?|menús?|panel(?:es)?|barra (?:lateral|de herramientas)|cuadro de diálogo|"
    r"desplegable|ventana|casilla|control deslizante|interruptor|página|editor|ajustes|configuración)\b"
)
_SCREEN = r"(?:l[ií]nea de tiempo|reproductor|vista previa)"
_QUOTE = r"[\"“«‘'`*\[]"
_PRESSED = r"(?:exportar?|descargar?|guardar?|aplicar?|aceptar|compartir|publicar|renderizar|reproducir|continuar|confirmar|ok)\b"
#: in each of its forms: ``haz clic``, ``haga clic``, ``hacer clic``, ``haciendo clic``
_CLICK = r"(?:haz|haga|hagan|hacer|haciendo|da|dale|dar)(?: (?:doble|un))? clics?\b|(?:cliquea|clickea)\b"
_PRESS = r"(?:pulsa|pulse|pulsar|pulsando|presiona|presione|presionar|presionando|oprime|oprima|toca|toque|tocar)"
_OPEN = (
    r"(?:abre|abra|abrir|ve|vaya|ir|dirígete|diríjase|accede|acceda|acceder|entra|entre|despliega|despliegue|cambia|"
    r"cambie)"
)
_CHOOSE = (
    r"(?:selecciona|seleccione|seleccionar|elige|elija|elegir|escoge|escoja|usa|use|usar|utiliza|utilice|busca|busque)"
)
_CHANGE = r"(?:ajusta|ajuste|ajustar|modifica|modifique|cambia|cambie|encontrarás|encontrará|verás|verá|hay)"
_DRAG = r"(?:arrastra|arrastre|arrastrar|arrastrando|suelta|suelte|soltar)"
_CHECK = (
    r"(?:revisa|revise|revisar|consulta|consulte|consultar|comprueba|compruebe|verifica|verifique|visita|visite|mejora|"
    r"mejore|actualiza|actualice|inicia sesión en)"
)
_THE = r"(?:el|la|los|las|tu|tus|su|sus)"
_ACCOUNT = r"(?:cuenta(?! (?:atrás|regresiva))|facturación|suscripción|plan|saldo|créditos)\b"

SPANISH_RULES = (
    rule("credits", rf"{_LEAD}(?:{_CHECK}|{_OPEN}(?: a)?) (?:de )?{_THE} .{{0,20}}?{_ACCOUNT}"),
    rule(
        "message",
        rf"{_LEAD}{_DRAG}(?: y (?:suelta|suelte|soltar))? (?:{_THE}|un|una|esto|cada|aquí|hasta|hacia|a)\b",
    ),
    rule("message", rf"{_LEAD}(?:arrástra|suélta)\w{{1,4}}\b"),
    rule(
        "summary",
        rf"{_LEAD}(?:previsualiza\w{{0,3}}|ver|verl[oa]|mira|mire|mirar|reproduce|reproduzca|revisa|revisar|revisarl[oa]) ",
        rf".{{0,40}}?{_SCREEN}",
    ),
    rule("api", rf"{_LEAD}(?:{_CLICK})"),
    rule(
        "api", rf"{_LEAD}{_PRESS}(?: (?:en|sobre|aquí)\b| (?:el |la |los )?(?:.{{0,30}}?{_WIDGET}|{_QUOTE}|{_PRESSED}))"
    ),
    rule("state", rf"{_LEAD}{_OPEN} (?:al|{_THE}|en|hasta|a {_THE}) .{{0,40}}?(?:{_WIDGET}|{_SCREEN})"),
    rule("api", rf"{_LEAD}{_CHOOSE} .{{0,40}}?{_WIDGET}"),
    rule(
        "export",
        rf"{_LEAD}(?:exporta|exporte|exportar|exportarl[oa]|descarga|descargue|descargar|descargarl[oa])",
        rf"(?: (?:{_THE}|ahora|cuando|desde)\b|$)",
    ),
    weak_rule("export", rf".{{0,60}}\b{_WIDGET} (?:de )?{_QUOTE}?(?:exporta|descarga)"),
    weak_rule("state", rf"{_LEAD}{_CHANGE} .{{0,40}}?\b(?:en|desde|con) (?:el|la|los) .{{0,20}}?{_WIDGET}"),
)
