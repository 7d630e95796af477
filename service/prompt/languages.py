"""Requests for the file, and for the credits, in languages that the parser does not read: one small table each.

Only a prompt that is made of one table's phrases, and of nothing else, counts as such a request (`translation`). So a phrase
is listed where it can mean nothing but the whole film, as it is: no `final` (`el final del vídeo` is an edit), no `only`, no
plural, no indefinite article (`dame un vídeo` wants one made), no verb that means another work, too (`baja`, `تحميل`).
Phrases are parted by bars; accents, vowel signs, hyphens and capitals make no difference.
"""

from typing import NamedTuple


class Phrases(NamedTuple):
    """What a request in one language is made of."""

    #: to export, to download, to render: may stand alone
    export: str
    #: to save, to send: ask for the file where the film or a property is named
    deliver: str
    #: the film, all of it
    film: str
    #: before or behind a property: *in* 720p, *as* mp4, mp4 *format*
    beside_property: str
    #: please, now, thanks, can you, I want, for me
    polite: str
    #: whole questions for the credits that are left; a bare `credits` may be what the film shall show
    credits: str
    #: whether a blank parts words; else any two phrases may touch
    parted: bool = True


LANGUAGES: dict[str, Phrases] = {
    "es": Phrases(
        export="exporta|exportar|exporte|exportad|exporten|expórtalo|expórtala|expórtame|expórtamelo|exportarlo|exportarla|"
        "descarga|descargar|descargue|descárgalo|descárgame|descargarlo|renderiza|renderizar|renderice|renderízalo|"
        "envíamelo|mándamelo|guárdalo",
        deliver="guarda|guardar|guarde|guárdame|envía|enviar|envíe|envíame|enviarme|manda|mandar|mándame|mandarme|dame|pásame",
        film="vídeo|el vídeo|este vídeo|mi vídeo|el vídeo completo|el vídeo entero|el vídeo final|el vídeo editado|todo el vídeo|"
        "como vídeo|todo|el archivo|el clip|la película|el proyecto|el resultado",
        beside_property="en|como|a|con|formato|en formato|resolución|resolución de|en resolución|con resolución|con resolución de|"
        "en calidad|archivo",
        polite="por favor|porfavor|porfa|gracias|muchas gracias|ya|ahora|ahora mismo|hola|ok|vale|puedes|puede|podrías|podría|"
        "quiero|quisiera|necesito|me gustaría",
        credits="cuántos créditos me quedan|cuántos créditos tengo|cuántos créditos quedan|cuántos créditos nos quedan|"
        "me quedan créditos|créditos restantes|créditos disponibles|saldo de créditos|mi saldo de créditos|mi saldo|"
        "cuál es mi saldo|cuál es mi saldo de créditos",
    ),
    "pt": Phrases(
        export="exporta|exportar|exporte|exporte-me|me exporta|me exporte|baixar|baixe|download|"
        "fazer o download|faça o download|faz o download|renderizar|renderize|renderiza",
        deliver="baixa|salvar|salve|salva|guardar|guarde|guarda|enviar|envie|envia|me envie|me envia|envie-me|mandar|mande|manda|"
        "me manda|me mande|mande-me|me dê|me dá",
        film="o|lo|vídeo|o vídeo|este vídeo|esse vídeo|meu vídeo|o meu vídeo|o vídeo todo|todo o vídeo|o vídeo inteiro|"
        "como vídeo|o vídeo completo|o vídeo final|o vídeo editado|do vídeo|tudo|o arquivo|do arquivo|o ficheiro|o clipe|o filme|"
        "o projeto|o resultado",
        beside_property="em|como|para|a|com|formato|em formato|no formato|resolução|resolução de|em resolução|na resolução|"
        "com resolução de|na resolução de|em qualidade|qualidade|arquivo",
        polite="por favor|porfavor|pfv|obrigado|obrigada|muito obrigado|muito obrigada|já|agora|agora mesmo|oi|olá|ok|pode|"
        "podes|poderia|você pode|você poderia|quero|queria|preciso|gostaria de",
        credits="quantos créditos eu tenho|quantos créditos tenho|quantos créditos ainda tenho|quantos créditos eu ainda tenho|"
        "quantos créditos me restam|quantos créditos restam|quantos créditos sobraram|créditos restantes|"
        "créditos disponíveis|saldo de créditos|meu saldo de créditos|meu saldo|qual é o meu saldo|qual é meu saldo|"
        "qual o meu saldo|qual é o meu saldo de créditos",
    ),
    "fr": Phrases(
        export="exporte|exporter|exportez|exporte-moi|l'exporter|export|télécharge|télécharger|téléchargez|"
        "lance l'export|lancer l'export|fais l'export|fais un export|fais le rendu|faire le rendu",
        deliver="enregistre|enregistrer|enregistrez|sauvegarde|sauvegarder|sauvegardez|envoie|envoyer|envoyez|envoie-moi|"
        "envoyez-moi|m'envoyer|donne-moi|donnez-moi",
        film="la|le|vidéo|la vidéo|cette vidéo|ma vidéo|toute la vidéo|la vidéo entière|la vidéo complète|la vidéo finale|"
        "en vidéo|la vidéo montée|tout le film|tout le projet|de la vidéo|tout|le fichier|le clip|le film|le montage|le projet|le résultat",
        beside_property="en|au format|format|à|en résolution|résolution|en qualité|qualité|fichier",
        polite="s'il te plaît|s'il vous plaît|svp|stp|merci|merci beaucoup|merci d'avance|maintenant|tout de suite|bonjour|salut|ok|"
        "peux-tu|tu peux|pouvez-vous|vous pouvez|pourrais-tu|pourriez-vous|je veux|je voudrais|j'aimerais",
        credits="combien de crédits me reste-t-il|combien de crédits il me reste|combien de crédits me restent|"
        "combien me reste-t-il de crédits|combien il me reste de crédits|il me reste combien de crédits|"
        "combien de crédits ai-je|combien de crédits j'ai|j'ai combien de crédits|combien de crédits reste-t-il|"
        "crédits restants|crédits disponibles|solde de crédits|mon solde de crédits|mon solde|quel est mon solde|"
        "quel est mon solde de crédits",
    ),
    "de": Phrases(
        export="exportieren|exportiere|exportier|exportieren sie|export|export starten|herunterladen|runterladen|downloaden|download|rendern|"
        "rendere",
        deliver="speichern|speichere|speicher|speichern sie|abspeichern|schicken|schick mir|schicke mir|schicken sie mir|senden|"
        "sende mir|senden sie mir|gib mir|geben sie mir",
        film="video|das video|dieses video|mein video|das ganze video|das gesamte video|das komplette video|das fertige video|"
        "das finale video|als video|das bearbeitete video|es|alles|die datei|den clip|den film|das projekt|das ergebnis",
        beside_property="in|als|mit|im format|format|auflösung|in der auflösung|mit einer auflösung von|qualität|datei",
        polite="bitte|danke|vielen dank|jetzt|sofort|hallo|hi|ok|okay|mal|mir|für mich|kannst du|können sie|könntest du|"
        "könnten sie|ich möchte|ich will|ich würde gerne",
        credits="wie viele credits habe ich|wie viele credits habe ich noch|wieviele credits habe ich|wieviele credits habe ich noch|"
        "wie viel guthaben habe ich|wie viel guthaben habe ich noch|wieviel guthaben habe ich|wieviel guthaben habe ich noch|"
        "wie viele credits sind übrig|wie viele credits sind noch übrig|wie hoch ist mein guthaben|mein guthaben|"
        "verbleibende credits|verfügbare credits",
    ),
    "it": Phrases(
        export="esporta|esportare|esporti|esportate|esportalo|esportala|esportami|scarica|scaricare|scarichi|scaricalo|renderizza|"
        "renderizzare|salvalo|inviamelo|mandamelo",
        deliver="salva|salvare|salvi|invia|inviare|inviami|manda|mandare|mandami|dammi",
        film="video|il video|questo video|il mio video|tutto il video|il video intero|il video completo|il video finale|"
        "il video montato|come video|tutto|il file|la clip|il film|il filmato|il progetto|il risultato",
        beside_property="in|come|a|con|formato|in formato|nel formato|risoluzione|in risoluzione|con risoluzione|"
        "con risoluzione di|alla risoluzione di|in qualità|file",
        polite="per favore|perfavore|per piacere|grazie|grazie mille|ora|adesso|subito|ciao|salve|ok|puoi|può|potresti|potrebbe|"
        "voglio|vorrei",
        credits="quanti crediti ho|quanti crediti ho ancora|quanti crediti mi restano|quanti crediti mi rimangono|"
        "quanti crediti restano|quanti crediti rimangono|crediti rimanenti|crediti residui|crediti disponibili|"
        "saldo crediti|saldo dei crediti|il mio saldo|qual è il mio saldo|quale è il mio saldo",
    ),
    "ru": Phrases(
        export="экспортируй|экспортируйте|экспортировать|экспорт|скачай|скачайте|скачать|выгрузи|выгрузить|отрендери|"
        "отрендерить|рендер|сделай экспорт",
        deliver="сохрани|сохраните|сохранить|отправь|отправьте|отправить|пришли|пришлите|скинь|скиньте",
        film="видео|в видео|это видео|моё видео|всё видео|готовое видео|видео целиком|его|всё|файл|этот файл|готовый файл|видеофайл|"
        "ролик|этот ролик|готовый ролик|видеоролик|фильм|клип|проект|результат",
        beside_property="в|как|формат|в формате|разрешение|в разрешении|с разрешением|в качестве|качество",
        polite="пожалуйста|спасибо|сейчас|прямо сейчас|теперь|привет|здравствуйте|ок|мне|можешь|можете|не мог бы ты|"
        "не могли бы вы|хочу",
        credits="сколько у меня кредитов|сколько кредитов у меня|сколько у меня осталось кредитов|"
        "сколько кредитов у меня осталось|сколько осталось кредитов|сколько кредитов осталось|какой у меня баланс|"
        "мой баланс|баланс кредитов|остаток кредитов",
    ),
    "ja": Phrases(
        export="書き出して|書き出し|書き出す|書き出したい|エクスポートして|エクスポート|エクスポートする|エクスポートしたい|"
        "ダウンロードして|ダウンロード|ダウンロードする|ダウンロードしたい|レンダリングして|レンダリング|レンダリングする|出力して",
        deliver="保存して|送って|送信して",
        film="動画|動画を|動画の|動画に|動画として|この動画|この動画を|動画全体を|動画を全部|完成した動画を|動画ファイルを|ビデオ|ビデオを|映像|映像を|ムービーを|"
        "ファイルを|作品を|これを|全部",
        beside_property="で|に|として|形式|形式で|形式に|フォーマットで|画質で|解像度で|の解像度で|ファイルで",
        polite="ください|下さい|お願いします|をお願いします|お願い|をお願い|もらえますか|くれますか|いただけますか|今すぐ|いますぐ|今|"
        "すぐに|ありがとう|ありがとうございます|こんにちは",
        credits="クレジット残高|クレジット残高は|クレジット残高を教えて|クレジットの残高|クレジットの残高は|クレジットの残高を教えて|"
        "残りのクレジット|残りのクレジットは|残りのクレジットを教えて|残りクレジット|クレジットの残りは|クレジットはあといくつ|"
        "クレジットはあといくつありますか|クレジットはあといくつ残っていますか|クレジットはいくつ残っていますか|"
        "クレジットはどれくらい残っていますか|あと何クレジット|あと何クレジットありますか|あと何クレジット残っていますか",
        parted=False,
    ),
    "ko": Phrases(
        export="내보내기|내보내|다운로드|렌더링|익스포트|엑스포트",
        deliver="다운|저장|보내|전송",
        film="영상|영상을|영상으로|동영상|동영상을|비디오|비디오를|이 영상|이 영상을|내 영상|내 영상을|전체 영상|전체 영상을|완성된 영상|"
        "완성된 영상을|최종 영상|최종 영상을|영상 파일|영상 파일을|파일|파일을|결과물|결과물을|프로젝트|프로젝트를|이거|이걸",
        beside_property="로|으로|형식으로|포맷으로|해상도로|화질로|파일로",
        polite="해|해줘|해 줘|해줘요|해주세요|해 주세요|해줄래|하기|줘|줘요|주세요|줄래|부탁해|부탁해요|부탁드립니다|지금|바로|제발|좀|"
        "고마워|고마워요|감사합니다|안녕하세요",
        credits="남은 크레딧|남은 크레딧은|남은 크레딧 알려줘|크레딧 잔액|크레딧 잔액은|크레딧 잔액 알려줘|크레딧 얼마나 남았어|"
        "크레딧이 얼마나 남았어|크레딧 얼마나 남았나요|크레딧이 얼마나 남았나요|크레딧 얼마나 남았어요|크레딧이 얼마나 남았어요|"
        "크레딧 몇 개 남았어|크레딧이 몇 개 남았어|크레딧이 몇 개 남았나요|남은 크레딧이 얼마야|남은 크레딧이 몇 개야",
        parted=False,
    ),
    "ar": Phrases(
        export="صدّر|تصدير|قم بتصدير|صدّره|نزّل|تنزيل|قم بتنزيل",
        deliver="احفظ|حفظ|أرسل|أرسل لي|إرسال",
        film="الفيديو|فيديو|هذا الفيديو|الفيديو كاملا|الفيديو بالكامل|الفيديو النهائي|مقطع الفيديو|المقطع|الملف|الفيلم|المشروع",
        beside_property="بدقة|بصيغة|بتنسيق|بجودة|في|إلى",
        polite="من فضلك|لو سمحت|رجاء|شكرا|الآن|حالا|مرحبا|هل يمكنك|ممكن|أريد|لي",
        credits="كم رصيدي|كم هو رصيدي|ما هو رصيدي|رصيدي|كم رصيدا لدي|كم رصيد لدي|كم تبقى من رصيدي|كم تبقى لدي من رصيد|"
        "كم بقي من رصيدي|الرصيد المتبقي|رصيدي المتبقي",
    ),
    "hi": Phrases(
        export="एक्सपोर्ट|निर्यात|डाउनलोड|रेंडर|export|download|render",
        deliver="सेव|भेजो|भेजें|भेजिए|भेज|save|bhejo|bhej",
        film="वीडियो|वीडियो को|विडियो|विडियो को|यह वीडियो|मेरा वीडियो|मेरे वीडियो को|पूरा वीडियो|पूरे वीडियो को|फ़ाइल|इसे|"
        "video|video ko|mera video|mere video ko|pura video|file|ise|isko",
        beside_property="में|फ़ॉर्मेट में|क्वालिटी में|रिज़ॉल्यूशन में|के रूप में|mein|me|format mein|format me|quality mein|quality me",
        polite="करो|करें|कीजिए|कर दो|कर दें|कर दीजिए|करना|दो|दें|दीजिए|चाहिए|कृपया|प्लीज़|अभी|धन्यवाद|नमस्ते|मुझे|"
        "karo|karen|karein|kare|kijiye|kar do|kardo|kar dijiye|karna|do|dijiye|please|plz|abhi|mujhe|dhanyavad|namaste",
        credits="मेरे पास कितने क्रेडिट हैं|मेरे पास कितने क्रेडिट बचे हैं|मेरे कितने क्रेडिट बचे हैं|कितने क्रेडिट बचे हैं|"
        "कितने क्रेडिट बाकी हैं|कितने क्रेडिट शेष हैं|क्रेडिट बैलेंस|मेरा क्रेडिट बैलेंस|मेरा बैलेंस कितना है|"
        "mere paas kitne credit hain|mere paas kitne credits hain|mere paas kitne credit bache hain|"
        "mere paas kitne credits bache hain|kitne credit bache hain|kitne credits bache hain|mera balance kitna hai",
    ),
}
