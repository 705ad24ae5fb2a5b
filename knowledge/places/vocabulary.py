"""Words beside a name that tell whether it is a place, and which: type words, streets, people, time, change."""

from __future__ import annotations

from knowledge.places.words import Vocabulary, as_names

XA, PHUONG, TRAN, THI, PHO = (
    Vocabulary("xã"),
    Vocabulary("phường"),
    Vocabulary("trấn"),
    Vocabulary("thị"),
    Vocabulary("phố"),
)
NOT_XA = Vocabulary("tác")
"""``hợp tác xã``."""
NOT_PHUONG = Vocabulary("", unmarked="dia doi")
"""``dia phuong``, ``doi phuong``."""
SOCIAL, HOUSE, AT = (
    Vocabulary("hiểm sinh trợ giúp cấp sách mạng tác đề tế lợi nạn bhxh luận"),
    Vocabulary("nhà"),
    Vocabulary("ở"),
)
"""Before ``xã hội``, which is then not the commune Hội…; so ``nhà ở``."""
TOWN = Vocabulary("tp thành", unmarked="tp thanh")
DISTRICT = Vocabulary("huyện h tx tp")
TITLE = Vocabulary(
    "ông bà anh chị cô chú bác thầy bé cháu con em vợ chồng tên", unmarked="ong anh chi chu bac thay be chau ten"
)
SURNAME = Vocabulary(
    "nguyễn trần lê phạm huỳnh hoàng phan vũ võ đặng bùi đỗ hồ ngô dương lý đinh trương đoàn mai cao thị văn",
    unmarked="nguyen tran le pham huynh hoang phan vu dang bui ngo duong dinh truong thi van",
)
FOR, IS, NAMED = Vocabulary("cho"), Vocabulary("là từ thành sang"), Vocabulary("tên")
"""``khai sinh cho …``; ``tên con là …``, ``đổi tên từ …``."""
QUAN = Vocabulary("quận")
TYPE_WORDS = Vocabulary("huyện quận tỉnh thành phố thị xã tp tx h t")
"""Beginnings of what follows a commune's name."""
LANDMARK = Vocabulary(
    "đường phố ngõ hẻm kiệt chợ trường viện cầu hồ sông suối núi đèo ga cảng bay nghiệp kcn ccn kkt "
    "thị lịch ty tnhh htx chùa đền tháp thôn làng ấp khối tổ buôn plei plơi quận quán khu thpt thcs học non giáo điện "
    "đập biển đầm đảo bãi ngã ba trại tỉnh quốc nhà trận vua tướng",
    unmarked="duong pho ngo hem cho truong vien cau ho song suoi nui deo ga cang bay nghiep kcn ccn kkt ty tnhh htx "
    "chua den thap thon lang ap khoi to buon plei quan khu thpt thcs hoc dien dap bien dam dao bai nga ba trai tinh",
)
PLACED = Vocabulary(
    "ở tại quê về từ dân trú khẩu chỉ ban ubnd thuộc vùng hỏi đến tới qua sang gốc cũ",
    unmarked="o que tru khau ubnd thuoc tai hoi",
)
"""Before a name: somebody lives, comes from or has papers there (last word of the phrase)."""
HAMLET = Vocabulary("thôn làng ấp khối tổ khu vực phố đội xóm buôn")
PEOPLE_OF = Vocabulary("người dân bên phía miệt")
"""The same before a district's name."""
OLD = Vocabulary("cũ", unmarked="cu")
FORMERLY, HERE = Vocabulary("trước"), Vocabulary("đây kia")
NEW = Vocabulary("mới")
AFTER_NEW = Vocabulary("là thì ở có gồm của nằm hay không sau bây giờ nay")
MERGED = Vocabulary("sáp gộp")
TURNED = Vocabulary("nhập đổi lên chuyển tách chia")
INTO = Vocabulary("vào về với thành tên chung phường xã sang qua làm")
BELONGS = Vocabulary("thuộc thành về là")
COMMUNE = Vocabulary("xã phường")
FILLER = Vocabulary("giờ nay hiện bây đã được bị thì trước đây ngày hồi đó vậy khi sau bữa rồi mà")
CHATTER = Vocabulary(
    "dạ vâng ạ à em anh chị mình tôi tui con cháu cô chú ở là ad cho hỏi thưa nhé nha nè vậy thì ơi xin nhà quê đang "
    "sống"
)
WINDS = Vocabulary("tây đông nam bắc thượng hạ")
"""After a name and capitalised: another, longer name (An Phú Đông)."""


ELSEWHERE = as_names(
    """
    hà nội, hồ chí minh, hcm, tphcm, sài gòn, thủ đức, đà nẵng, hải phòng, cần thơ, huế, đắk lắk, buôn ma thuột,
    kon tum, phú yên, tuy hòa, quảng ngãi, quảng nam, quảng bình, quảng trị, quảng ninh, khánh hòa, nha trang, lâm đồng,
    đà lạt, đắk nông, đồng nai, biên hòa, long an, tiền giang, bến tre, vĩnh long, trà vinh, đồng tháp, an giang,
    kiên giang, hậu giang, sóc trăng, bạc liêu, cà mau, tây ninh, bình phước, vũng tàu, ninh thuận, nghệ an, hà tĩnh,
    thanh hóa, ninh bình, nam định, thái bình, hà nam, hưng yên, hải dương, bắc ninh, bắc giang, vĩnh phúc, phú thọ,
    thái nguyên, lạng sơn, cao bằng, bắc kạn, tuyên quang, hà giang, lào cai, yên bái, lai châu, điện biên, sơn la
    """
)
"""Other provinces and towns: what stands right before them lies there."""
