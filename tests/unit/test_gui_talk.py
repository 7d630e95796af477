"""GUI talk is taken out and understood; content stays as it was said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.growth_in_time import is_linear
from worker.backend.gui_talk import is_question, says_nothing_was_done, translate

GUI_ALONE = [
    ("Click the Export button to download your video.", ("export",)),
    ("Click the [Apply] button.", ("api",)),
    ('Click on "Apply" to save your changes.', ("api",)),
    ("Click here to continue!", ("api",)),
    ("Please tap the plus icon at the bottom.", ("api",)),
    ("You can click Export and choose 1080p.", ("export",)),
    ("Press the Save button when you're done.", ("api",)),
    ("Hit Export!", ("export",)),
    ("To download your video, click the Export button.", ("export",)),
    ("When you're ready, hit the Export button in the top right corner.", ("export",)),
    ("Click Export once the video has been rendered.", ("export",)),
    ("Open the Properties panel to fine-tune the settings.", ("state",)),
    ("If you want to make changes, open the text panel.", ("state",)),
    ("You can adjust the font in the Properties panel.", ("state",)),
    ("Go to the media library to see your files.", ("state",)),
    ("You can find it in the timeline.", ("state",)),
    ("You can drag and drop the clip on the timeline to move it.", ("message",)),
    ("Drag the clip onto the timeline, then click Apply.", ("message", "api")),
    ("Drag/drop your files here.", ("message",)),
    ("Simply drop your files into the upload area.", ("message",)),
    ("You can preview in timeline before exporting.", ("summary",)),
    ("Preview it in the timeline.", ("summary",)),
    ("You can now preview the result in the timeline.", ("summary",)),
    ("Use the Export button to save your work.", ("export",)),
    ("The Export button is in the top right corner.", ("export",)),
    ("You can now export your video.", ("export",)),
    ("Check account/billing for your remaining credits.", ("credits",)),
    ("Please check your account.", ("credits",)),
    ("Visit your billing page to top up.", ("credits",)),
    ("1. Click the Export button\n2. Choose the 1080p option in the menu", ("export", "api")),
    ("点击导出按钮即可下载视频。", ("export",)),
    ("请点击“应用”按钮。", ("api",)),
    ("点击右上角的导出。", ("export",)),
    ("打开属性面板可以微调设置。", ("state",)),
    ("您可以把片段拖拽到时间线上调整位置。", ("message",)),
    ("导出前可以在时间线中预览。", ("summary",)),
    ("请在账户/账单中查看剩余积分。", ("credits",)),
    ("如果满意，请点击导出。", ("export",)),
    ("在右上角点击导出", ("export",)),
    ("Tip: you can drag clips to reorder them.", ("message",)),
    ("**Click the Export button** to save.", ("export",)),
    ("You can always undo this by clicking the Undo button.", ("state",)),
    ("Once you're happy with it, you can export the final video.", ("export",)),
    ("Open your browser and go to nemovideo.com.", ("state",)),
    ("(You can preview it in the timeline.)", ("summary",)),
    ("您可以导出视频了。", ("export",)),
]

CONTENT_ALONE = [
    "I added a click sound at 0:03.",
    "Click track added at 120 BPM.",
    "Added an opening title for 3 seconds.",
    "Open road footage was moved to the start.",
    "The drag racing clip is now first.",
    "Drag race scenes were sped up.",
    "I dropped the volume of the music by 20%.",
    "Drop shadow added to the title.",
    "The beat drop now hits at 12s.",
    "I opened with a wide shot and closed with the logo.",
    'I added the title "Click the Export button" at the top.',
    "已添加标题“点击导出按钮”。",
    "I added a subscribe button graphic at the end.",
    "A neon open sign glows in the first scene.",
    "The window scene was trimmed by 2 seconds.",
    "Press conference clip trimmed to 30s.",
    "Tap dance clip: speed changed to 2x.",
    "The video is 30.5 seconds long, 9:16, and has 3 titles.",
    "I removed the silence, added captions and background music.",
    "Music volume is 35%. The title fades in.",
    "- Title added\n- 3 cuts made",
    "You can see the title at the top left corner.",
    "Select scenes were reordered.",
    "Choose a style: cinematic or vlog?",
    "The timeline now has 3 tracks: video, music and title.",
    "The export settings are 1080p, MP4.",
    "A drag-and-drop animation was added at 0:05.",
    "I will click the shutter sound in at 0:03.",
    "已打开降噪。",
    "已将导出按钮的画面删除。",
    "视频已在右上角添加水印。",
    "The account manager interview was shortened.",
    "Credits roll added at the end.",
    "Preview scene removed.",
    "I selected the best takes and put them on the timeline.",
    "I have exported nothing yet.",
    "已添加点击音效。",
    "点击音效已添加到0:03。",
    "我剪掉了打开大门的镜头。",
    "已在视频开头添加标题。",
    "添加了背景音乐，并去掉了停顿。",
    "拖拽动画已添加。",
    'I did not understand: "click the sky".',
    "我没有理解：“打开面板”。",
    "The raw video is ready; music and title are being added.",
    "I looked at your footage. It already has a steady picture and clear sound, so I kept everything.",
]

MIXED = [
    (
        "I added the title. Click the Export button to download it. Music is at 35%.",
        "I added the title. Music is at 35%.",
        ("export",),
    ),
    ("Title added, click Export to download.", "Title added.", ("export",)),
    ("I've added a title and you can drag the clip to move it.", "I've added a title.", ("message",)),
    ("Click Apply and I will add the music.", "I will add the music.", ("api",)),
    ("Open the Properties panel, but I already made the text white.", "I already made the text white.", ("state",)),
    ("I added the title in the Text panel, then click Apply.", "I added the title.", ("api",)),
    ("Title added.\u2028Click the Export button.\u2028Music added.", "Title added.\nMusic added.", ("export",)),
    (
        "Done!\n\n1. Title added\n2. Click the Export button\n\nEnjoy.",
        "Done!\n\n1. Title added\n\nEnjoy.",
        ("export",),
    ),
    ("已添加标题，点击导出按钮即可下载。", "已添加标题。", ("export",)),
    ("已添加标题。打开属性面板可以微调设置。音乐音量为35%。", "已添加标题。音乐音量为35%。", ("state",)),
    (
        "视频已完成，您可以点击右上角的“导出”按钮下载，也可以继续修改。",
        "视频已完成，也可以继续修改。",
        ("export",),
    ),
    ("Trimmed to 8s (click Export to download).", "Trimmed to 8s.", ("export",)),
    ("我剪掉了停顿，您可以在时间线中预览。", "我剪掉了停顿。", ("summary",)),
    ("Title added — open the Text panel to edit it.", "Title added.", ("state",)),
    ("Title added; you can check your account for credits.", "Title added.", ("credits",)),
]


@pytest.mark.parametrize(("text", "actions"), GUI_ALONE)
def test_gui_talk_is_taken_out_and_understood(text: str, actions: tuple[str, ...]) -> None:
    seen = translate(text)
    assert (seen.text, seen.actions) == ("", actions)


@pytest.mark.parametrize("text", CONTENT_ALONE)
def test_content_stays_letter_by_letter(text: str) -> None:
    seen = translate(text)
    assert (seen.text, seen.actions) == (text, ())


@pytest.mark.parametrize(("text", "kept", "actions"), MIXED)
def test_content_beside_gui_talk_stays(text: str, kept: str, actions: tuple[str, ...]) -> None:
    seen = translate(text)
    assert (seen.text, seen.actions) == (kept, actions)


def test_each_action_is_told_once_in_its_order() -> None:
    seen = translate("Open the Text panel. Click Export. Open the media library. Click the Export button.")
    assert seen.actions == ("state", "export")


def test_anything_like_a_token_is_taken_out() -> None:
    assert translate("Your token nmv_usr_abc-123 is set. Title added.").text == "Your token  is set. Title added."
    assert "nmv_" not in translate('Title "nmv_usr_x" added, NMV_usr_y too').text.lower()


@pytest.mark.parametrize(
    "text",
    [
        "Which part of the video should I cut?",
        "Before I edit: which part of the video should I work on, and how long should the result be?",
        "Please tell me how long the title should stay.",
        "Could you upload the clip first",
        "Let me know which style you prefer.",
        "I need more details before I can edit.",
        "在开始编辑之前：您想处理视频的哪一部分，成片需要多长？",
        "请告诉我标题的内容。",
        "您想保留原声吗",
        "請問要剪掉哪一段？",
        "どの部分をカットしますか。",
        "どの部分をカットするか教えてください。",
        "動画をアップロードしてください。",
        "¿Qué parte quieres que corte?",
        "Por favor, indica qué parte debo cortar.",
        "Dime qué título quieres.",
        "أي جزء تريد قصه؟",
        "I can cut it. Should I cut the intro or the end?",
        "The clip is 10 s long. Do you want me to trim the start or the end?",
        "I've added the music. Which colour would you like for the title?",
    ],
)
def test_a_question_is_one(text: str) -> None:
    assert is_question(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Title added.",
        'Title added: "Ready?"',
        "Done. Is there anything else?",
        "All set! Would you like me to make any other changes?",
        "Let me know if you'd like more changes.",
        "I looked at your footage. It already has a steady picture and clear sound, so I kept everything.",
        'I did not understand: "what?". I left the timeline as it is.',
        "已添加标题。还需要其他修改吗？",
        "I've trimmed the clip. Do you want me to add music too?",
        "Title added. Want me to export it?",
        "Done! Should I render it now?",
        "标题已添加。需要我导出视频吗？",
        "我查看了您的素材，画面稳定、声音清晰，因此保持原样。",
        "Listo, añadí el título. ¿Necesitas algo más?",
        "He recortado el clip. ¿Quieres que añada música?",
        "Corté el inicio. ¿Te gusta el resultado?",
        "¿Algún otro cambio?",
        "タイトルを追加しました。他にご要望はありますか？",
        "カットしました。音楽も追加しましょうか？",
        "完成しました。いかがでしょうか。",
    ],
)
def test_an_answer_or_a_courtesy_is_no_question(text: str) -> None:
    assert not is_question(text)


@pytest.mark.parametrize(
    "text",
    [
        "I can't remove the watermark.",
        "Sorry, I’m unable to change the speaker's voice..",
        "I couldn't find a clip named intro.mp4.",
        "Removing objects is not supported.",
        "No changes were made to the timeline.",
        "Nothing needs to be changed here.",
        'I did not understand: "what?". I left the timeline as it is.',
        "I looked at your footage. It already has a steady picture and clear sound, so I kept everything.",
        "抱歉，我无法去除水印。",
        "我沒有改動時間線。",
        "我查看了您的素材，画面稳定、声音清晰，因此保持原样。",
    ],
)
def test_a_refusal_says_that_nothing_was_done(text: str) -> None:
    assert says_nothing_was_done(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Here is your video.",
        "Title added. I left the audio as it is.",
        "I couldn't find the logo, so I blurred the corner. Done.",
        "I can't remove the noise, but I added music.",
        "I cut the first two seconds and kept everything else as it was.",
        "The clip was trimmed; no other changes were made.",
        'Title added: "I can\'t wait"',
        "I can only see one clip; it is faster now.",
        "Here is your video! I can't wait for you to see it.",
        "已添加标题，其他内容保持不变。",
    ],
)
def test_what_tells_of_work_is_no_refusal(text: str) -> None:
    assert not says_nothing_was_done(text)


WORDS = st.lists(
    st.sampled_from(
        [
            "click",
            "the",
            "Export",
            "button",
            ".",
            ",",
            " and ",
            "drag",
            "点击",
            "导出",
            "，",
            "。",
            '"',
            "\n",
            "1. ",
            "open",
            "nmv_x",
        ]
    )
)


@given(st.text() | WORDS.map(" ".join) | WORDS.map("".join))
def test_no_text_breaks_it(text: str) -> None:
    seen = translate(text)
    assert "nmv_" not in seen.text.lower()
    assert translate(seen.text).actions == () or seen.text != text
    assert isinstance(is_question(text), bool)
    assert isinstance(says_nothing_was_done(text), bool)


@pytest.mark.parametrize(
    "piece", ["a", " ", "click ", "you can ", "click the ", ".", ", ", '"', "1. ", "点击", "在", "\n", "’", "drag and "]
)
def test_a_long_text_of_one_piece_takes_linear_time(piece: str) -> None:
    def read(text: str) -> None:
        assert len(translate(text).text) <= len(text)
        is_question(text)
        says_nothing_was_done(text)

    assert is_linear(read, piece, most_characters=20_000)
