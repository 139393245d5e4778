"""What the sandbox says of the codes in an image."""

from __future__ import annotations

from types import SimpleNamespace

import aiohttp
import pytest
import zxingcpp
from PIL import Image
from support import pictures
from support.pages import CORNERS, QRCODE
from support.sandbox_calls import calling, found, read_code

from wxcv.sandbox.engines.type_names import READ, TYPE_NAMES, type_name


async def read_data(image: bytes, **choices: object) -> str:
    """Return `data` of the only code in the image."""
    ((_, data),) = found(await read_code(image, **choices))
    return data


KINDS = [
    ("QRCode", "https://www.qq.com", "QR_CODE", "https://www.qq.com"),
    ("MicroQRCode", "123", "MICRO_QR_CODE", "123"),
    ("RMQRCode", "abc", "RMQR_CODE", "abc"),
    ("DataMatrix", "ABC123", "DATA_MATRIX", "ABC123"),
    ("Aztec", "abc", "AZTEC", "abc"),
    ("MaxiCode", "abc", "MAXICODE", "abc"),
    ("PDF417", "1234567890", "PDF_417", "1234567890"),
    ("MicroPDF417", "abc", "MICRO_PDF_417", "abc"),
    ("EAN13", "6901234567892", "EAN_13", "6901234567892"),
    ("EAN8", "96385074", "EAN_8", "96385074"),
    ("UPCA", "036000291452", "EAN_13", "0036000291452"),
    ("UPCE", "01234565", "UPC_E", "0012345000065"),
    ("Code39", "ABC", "CODE_39", "ABC"),
    ("Code93", "ABC", "CODE_93", "ABC"),
    ("Code128", "Code 128", "CODE_128", "Code 128"),
    ("ITF", "123456", "ITF", "123456"),
    ("Codabar", "A123A", "CODABAR", "A123A"),
    ("DataBarExp", "(01)98898765432106", "RSS_EXPANDED", "0198898765432106"),
    ("DataBarOmni", "0124012345678905", "RSS_14", "0124012345678905"),
]


@pytest.mark.parametrize(("kind", "text", "type_name", "data"), KINDS)
async def test_codes_are_named_as_wechat_spells_them(kind: str, text: str, type_name: str, data: str) -> None:
    """A code of each kind is read, and only QR_CODE and DATA_MATRIX have the key `pos`."""
    answer = await read_code(pictures.barcode_png(kind, text))

    assert found(answer) == [(type_name, data)]
    assert ("pos" in answer["code_results"][0]) == (type_name in {"QR_CODE", "DATA_MATRIX"})


async def test_answer_about_a_code_is_the_documented_envelope() -> None:
    """A QR code gives errcode 0, errmsg ok, its corners as integers, and the size of the image."""
    image = pictures.qr_png("hi", scale=10)
    answer = await read_code(image)

    width, height = pictures.opened(image).size
    assert list(answer) == ["errcode", "errmsg", "code_results", "img_size"]
    assert (answer["errcode"], answer["errmsg"]) == (0, "ok")
    assert answer["img_size"] == {"w": width, "h": height}
    # 21 modules of 10 pixels between quiet zones.
    low, high = (width - 210) // 2, (width + 210) // 2
    ends = [(low, low), (high, low), (high, high), (low, high)]
    pos = answer["code_results"][0]["pos"]
    assert list(pos) == CORNERS
    for corner, (x, y) in zip(CORNERS, ends, strict=True):
        assert pos[corner] == {"x": pytest.approx(x, abs=2), "y": pytest.approx(y, abs=2)}
        assert {type(pos[corner]["x"]), type(pos[corner]["y"])} == {int}


@pytest.mark.parametrize("kind", ["QRCode", "DataMatrix"])
async def test_corners_turn_with_the_code(kind: str) -> None:
    """In an image that stands on its head, left_top is the corner at the right bottom of the image."""
    image = pictures.opened(pictures.barcode_png(kind, "turned")).transpose(Image.Transpose.ROTATE_180)
    pos = (await read_code(pictures.to_bytes(image)))["code_results"][0]["pos"]

    assert pos["left_top"]["x"] > pos["right_top"]["x"]
    assert pos["left_top"]["y"] > pos["left_bottom"]["y"]


async def test_all_codes_of_an_image_are_read() -> None:
    """A label with three codes gives three code_results."""
    label = pictures.column_png(
        pictures.qr_png("SF1234567890"),
        pictures.barcode_png("EAN13", "6901234567892"),
        pictures.barcode_png("DataMatrix", "box 7"),
    )
    answer = await read_code(label)

    assert sorted(found(answer)) == [
        ("DATA_MATRIX", "box 7"),
        ("EAN_13", "6901234567892"),
        ("QR_CODE", "SF1234567890"),
    ]


async def test_data_is_utf_8_and_not_escaped() -> None:
    """Chinese text in a code arrives as UTF-8 in the body."""
    async with calling() as caller:
        form = aiohttp.FormData()
        form.add_field("img", pictures.qr_png("腾讯"), filename="a.png")
        url = caller.box.base_url + QRCODE
        async with caller.http.post(url, params=await caller.token(), data=form) as answer:
            body = await answer.read()

    assert '"data":"腾讯"'.encode() in body


GS1 = "(01)09501101530003(10)AB-12(21)7"
GS1_PLAIN = "010950110153000310AB-12\x1d217"


@pytest.mark.parametrize("kind", ["QRCode", "DataMatrix", "Code128", "Aztec", "DataBarExp"])
async def test_gs1_data_has_no_brackets_that_are_not_in_the_code(kind: str) -> None:
    """A GS1 code gives identifiers and values as they stand, with U+001D after a value of variable length."""
    image = pictures.barcode_png(kind, GS1, gs1=True)

    assert await read_data(image) == GS1_PLAIN
    assert await read_data(image, code_text="hri") == GS1


@pytest.mark.parametrize("kind", ["QRCode", "DataMatrix", "Aztec"])
async def test_control_characters_are_themselves(kind: str) -> None:
    """A code with control characters gives them unchanged, a backslash and a bracket too."""
    text = "a\x1db\x00c\r\nd\\e<GS>(01)\x1b"

    assert await read_data(pictures.barcode_png(kind, text)) == text


async def test_control_characters_are_named_for_people() -> None:
    """With "hri" a control character is no longer in the data."""
    data = await read_data(pictures.qr_png("a\x1db"), code_text="hri")

    assert data.startswith("a")
    assert data.endswith("b")
    assert "\x1d" not in data


@pytest.mark.parametrize("kind", ["QRCode", "DataMatrix", "Aztec", "PDF417"])
async def test_bytes_that_are_no_text_are_one_character_each(kind: str) -> None:
    """Binary content gives U+0000 to U+00FF, from which a program gets the bytes back."""
    content = bytes(range(0, 256, 5))

    assert (await read_data(pictures.barcode_png(kind, content))).encode("latin-1") == content


@pytest.mark.parametrize("charset", ["GBK", "GB18030", "Shift_JIS", "UTF-8", "UTF-16BE"])
async def test_character_set_that_the_code_names_is_followed(charset: str) -> None:
    """Chinese text arrives whole in whatever character set the code names for it."""
    assert await read_data(pictures.barcode_png("QRCode", "中文", eci=charset)) == "中文"


@pytest.mark.parametrize(
    ("content", "data"),
    [("中文".encode(), "中文"), (b"a\xff\xfeb", "a\ufffd\ufffdb"), (b"\x1d\x00", "\x1d\x00")],
)
async def test_code_text_as_utf_8(content: bytes, data: str) -> None:
    """With "utf-8" bytes are read as UTF-8 whatever the code says, and those that are not become U+FFFD."""
    assert await read_data(pictures.qr_png(content), code_text="utf-8") == data


@pytest.mark.parametrize("characters", [b"\xd8\x00\x00a", b"\xdc\x00\xd8\x00", b"\xff"])
async def test_broken_utf_16_is_answered(characters: bytes) -> None:
    """A code that names UTF-16 and holds half a character gives U+FFFD, and never a fault of the server."""
    assert "\ufffd" in await read_data(pictures.barcode_png("QRCode", characters, eci="UTF-16BE"))


@pytest.mark.parametrize("text", ["LOT/B12", "50%A", "PRICE $A", "0CSSBD", "-27580899"])
async def test_code_39_gives_the_characters_of_its_bars(text: str) -> None:
    """A Code 39 that could also be full ASCII, a pharmacode or a PZN is a CODE_39 with its own characters."""
    assert found(await read_code(pictures.barcode_png("Code39Std", text))) == [("CODE_39", text)]


def test_every_format_of_zxing_cpp_is_in_the_table() -> None:
    """Each format in zxing-cpp's enum that is not a group of formats has its type_name."""
    formats = {each.name for each in zxingcpp.BarcodeFormat if each and not each.name.startswith("All")}

    assert formats - TYPE_NAMES.keys() == set()


def test_type_names_are_spelled_alike() -> None:
    """All names are of capitals and digits, with single underscores between the words."""
    for name in TYPE_NAMES.values():
        assert all(word.isalnum() and word == word.upper() for word in name.split("_")), name


def test_every_family_of_codes_is_looked_for() -> None:
    """What zxing-cpp can read is looked for, in some variant of each family."""
    readable = zxingcpp.barcode_formats_list(zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.AllReadable))

    assert {getattr(zxingcpp.BarcodeFormat, name).symbology for name in READ} == {
        each.symbology for each in readable
    }


def test_variant_that_is_not_in_the_table_is_named_as_its_family() -> None:
    """A variant of a newer zxing-cpp is a QR_CODE if its family is, and an unknown family raises."""
    new = SimpleNamespace(name="QRCodeModel3")

    assert type_name(SimpleNamespace(format=new, symbology=SimpleNamespace(name="QRCode"))) == "QR_CODE"
    with pytest.raises(KeyError):
        type_name(SimpleNamespace(format=new, symbology=SimpleNamespace(name="NewCode")))


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("Code32", "01234567", ("CODE_39", "0CSSBD")),
        ("PZN", "2758089", ("CODE_39", "-27580899")),
        ("TelepenAlpha", "Hello", ("TELEPEN", "Hello")),
        ("ISBN", "9780141026626", ("EAN_13", "9780141026626")),
        ("ITF14", "15400141288763", ("ITF", "15400141288763")),
        ("AztecRune", "25", ("AZTEC", "025")),
        ("CompactPDF417", "abc", ("PDF_417", "abc")),
        ("DataBarStk", "0124012345678905", ("RSS_14", "0124012345678905")),
        ("DataBarLtd", "0115012345678907", ("RSS_14", "0115012345678907")),
        ("DXFilmEdge", "079-1/7", ("DX_FILM_EDGE", "79-1/7")),
    ],
)
async def test_rare_kinds_have_names_of_the_table(kind: str, text: str, expected: tuple[str, str]) -> None:
    """A variant has the name of its family, and a kind that ZXing does not have one in the same spelling."""
    assert found(await read_code(pictures.barcode_png(kind, text))) == [expected]


@pytest.mark.parametrize(("cut", "turn"), [(0, 0), (1, 180), (2, 180)])
async def test_corners_are_pixels_of_the_image(cut: int, turn: int) -> None:
    """A code that is cut at the edges of the image has its corners at the outermost pixels."""
    barcode = zxingcpp.create_barcode("hello", zxingcpp.BarcodeFormat.QRCode)
    drawn = Image.fromarray(zxingcpp.write_barcode_to_image(barcode, scale=4, add_quiet_zones=False))
    side = drawn.width - cut
    image = drawn.crop((0, 0, side, side)).rotate(turn)
    (code,) = (await read_code(pictures.to_bytes(image)))["code_results"]

    assert {value for corner in code["pos"].values() for value in corner.values()} == {0, side - 1}
