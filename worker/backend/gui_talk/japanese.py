"""GUI talk in Japanese, one of the languages in which the backend is asked to speak. The first rule that matches a clause decides.

A Japanese sentence ends in its verb, so that a rule reads from what is touched to what is asked for.
"""

import re

from core.traditional_chinese import simplified
from worker.backend.gui_talk.rules import GuiAction, Rule

_WIDGET = (
    r"(?:ボタン|アイコン|タブ|メニュー|パネル|ツールバー|サイドバー|ダイアログ|ウィンドウ|チェックボックス|スライダー|"
    r"ドロップダウン|プルダウン)[」』]?"
)
_SCREEN = r"(?:タイムライン|プレーヤー|プレイヤー|プレビュー(?:画面|ウィンドウ)?)"
_EXPORT = r"(?:エクスポート|書き出し|ダウンロード|保存)"
_CLICK = r"(?:(?:右|左|ダブル)?クリック|(?:ダブル)?タップ|長押し)"
#: what asks or allows: ``してください``, ``すると``, ``できます``; what says that something was done asks for nothing
_ASK = r"(?:し?て(?:ください|下さい|みて|いただ|頂|から|$)|しましょう|すると|すれば|する(?:だけ|こと|と)|し、?$|で(?:き|きるよう)|可能|願い|$)"


def _weak(action: GuiAction, pattern: str) -> Rule:
    """Write a rule that reports outweigh, in the signs in which clauses come here."""
    return Rule(action, re.compile(simplified(pattern)), weak=True)


JAPANESE_RULES = (
    _weak(
        "credits",
        r".{0,30}(?:アカウント|請求|お支払い|サブスクリプション|料金プラン|残高).{0,12}(?:確認|アクセス|ログイン|アップグレード|ご覧)",
    ),
    _weak("summary", rf".{{0,30}}{_SCREEN}(?:で|上で).{{0,6}}(?:プレビュー|再生|確認|ご覧)(?!され)"),
    _weak("message", rf".{{0,60}}(?:ドラッグ|ドロップ).{{0,8}}?{_ASK}"),
    _weak("api", rf".{{0,60}}{_CLICK}.{{0,2}}?{_ASK}"),
    _weak("api", rf".{{0,40}}{_WIDGET}.{{0,2}}(?:を|から|で|に|より).{{0,12}}(?:押|選|調整|切り替|探)"),
    _weak("state", rf".{{0,40}}(?:{_WIDGET}|{_SCREEN}|設定|画面|ページ|エディター?)を.{{0,8}}開"),
    _weak("state", rf".{{0,40}}{_WIDGET}(?:を|に|へ).{{0,8}}(?:展開|移動|進|戻)"),
    _weak("export", rf".{{0,20}}{_EXPORT}(?:し?て(?:ください|下さい|$)|でき|可能|することが)"),
    _weak("export", rf".{{0,30}}{_EXPORT}[」』]?{_WIDGET}"),
)
