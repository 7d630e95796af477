"""Traditional Chinese signs as the simplified ones, in which the lists of words here are written. One sign for one, so
that positions stay true; what is no word of ours stays as it is.
"""

_TRADITIONAL = (
    "導載發給傳輸轉換碼為設無須別還個沒請時這們頻圖鏈結項錄質畫標準編豎橫寬積餘額點狀態軌間線軸進預覽兒顯訴幾麼樣賬帳"
    "戶號當謝煩擾費視書紅電腦機郵終輯飽諧後來讓將關從開頭動變兩長聲調處盡滿問題歡讚錯覺維現幀嗎錢價夠會種講紹說釋檔匯"
    "儲幫確認靜裡裏並創製廣觀過參數據複選隨擊鈕鍵單雙欄籤側滾縮塊懸啟閉訂閱級檢擇層幾"
)
_SIMPLIFIED = (
    "导载发给传输转换码为设无须别还个没请时这们频图链结项录质画标准编竖横宽积余额点状态轨间线轴进预览儿显诉几么样账账"
    "户号当谢烦扰费视书红电脑机邮终辑饱谐后来让将关从开头动变两长声调处尽满问题欢赞错觉维现帧吗钱价够会种讲绍说释档汇"
    "储帮确认静里里并创制广观过参数据复选随击钮键单双栏签侧滚缩块悬启闭订阅级检择层几"
)
TO_SIMPLIFIED: dict[int, int] = dict(zip(map(ord, _TRADITIONAL), map(ord, _SIMPLIFIED), strict=True))


def simplified(text: str) -> str:
    """Write a text in simplified signs, sign by sign."""
    return text if text.isascii() else text.translate(TO_SIMPLIFIED)
