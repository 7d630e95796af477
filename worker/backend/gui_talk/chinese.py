"""GUI talk in Chinese. The first rule that matches a clause decides."""

from worker.backend.gui_talk.rules import rule, weak_rule

_LEAD = (
    r"\W{0,3}(?:请|您|你|可以|也|可|只需|只要|需要|现在|然后|再|接着|随后|最后|之后|直接|随时|先|或者|或|并|要|想|"
    r"导出前|完成后|在.{1,6}?(?=点|单|双|打开|预览)|在){0,6}"
)
_WIDGET = r"(?:按钮|图标|选项|标签|菜单|面板|工具栏|侧边栏|对话框|这里|此处|[左右][上下]角|窗口|页面)"
_PLACE = rf"(?:{_WIDGET}|设置|属性|编辑器|时间线|时间轴|素材库|媒体库|项目|浏览器)"
_QUOTE = r"[\"“‘'「『《【`*\[]"
_PRESSED = r"(?:导出|下载|保存|应用|确定|确认|播放|完成|预览|分享|生成)"
_SCREEN = r"(?:时间线|时间轴|播放器)"

CHINESE_RULES = (
    weak_rule(
        "credits",
        r".{0,30}(?:查看|检查|前往|登录|访问|打开|在|管理|升级).{0,10}(?:账户|帐户|账号|账单|订阅|套餐)",
    ),
    weak_rule("summary", rf"{_LEAD}.{{0,12}}(?:{_SCREEN}.{{0,6}}预览|预览.{{0,16}}(?:{_SCREEN}|窗口))"),
    weak_rule("message", r".{0,30}(?:拖拽|拖放|拖曳|拖动|拖入|拖到)"),
    weak_rule(
        "api",
        rf"{_LEAD}(?:点击|单击|双击|点按|轻点|点选|按下|右键)(?:.{{0,20}}?{_WIDGET}|\s?{_QUOTE}|\s?[A-Z]|{_PRESSED})",
    ),
    weak_rule("api", rf"{_LEAD}(?:选择|使用|找到|切换到|进入).{{0,12}}?{_WIDGET}"),
    weak_rule("state", rf"{_LEAD}打开.{{0,16}}?{_PLACE}"),
    weak_rule("export", r".{0,30}导出(?:按钮|菜单|选项|面板)"),
    rule("export", r".{0,10}(?:可以|请|即可|可)(?:直接|随时|现在|立即){0,2}(?:导出|下载)"),
    weak_rule("state", r".{0,30}(?:在|从|通过).{0,12}(?:面板|菜单|工具栏|侧边栏|标签页|按钮)"),
)
