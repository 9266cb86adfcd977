"""What an app does that uses fbmessenger: prints what each call answered, as JSON."""

import collections
import collections.abc
import json
import sys

# The library is older than Python 3.10, which took this name away.
collections.Iterable = collections.abc.Iterable  # type: ignore[attr-defined]

from fbmessenger import BaseMessenger, MessengerClient  # type: ignore[import-not-found]  # noqa: E402
from fbmessenger.attachments import Image  # type: ignore[import-not-found]  # noqa: E402
from fbmessenger.elements import Button, Element, Text  # type: ignore[import-not-found]  # noqa: E402
from fbmessenger.quick_replies import QuickReplies, QuickReply  # type: ignore[import-not-found]  # noqa: E402
from fbmessenger.sender_actions import SenderAction  # type: ignore[import-not-found]  # noqa: E402
from fbmessenger.templates import ButtonTemplate, GenericTemplate  # type: ignore[import-not-found]  # noqa: E402

asked = json.loads(sys.argv[1])
psid = asked["psid"]
client = MessengerClient(asked["token"], app_secret=asked["app_secret"], api_version="26.0")
client.graph_url = f"{asked['origin']}/v26.0"
seen = []


class Messenger(BaseMessenger):  # type: ignore[misc]
    """Its own parser of webhooks."""

    def __init__(self) -> None:
        super().__init__(asked["token"], app_secret=asked["app_secret"])
        self.client = client

    def message(self, message: dict[str, dict[str, str]]) -> None:
        seen.append(["message", message["message"].get("text")])

    def postback(self, message: dict[str, dict[str, str]]) -> None:
        seen.append(["postback", message["postback"]["payload"]])

    def read(self, message: dict[str, dict[str, int]]) -> None:
        seen.append(["read", type(message["read"]["watermark"]).__name__])

    def account_linking(self, message: dict[str, dict[str, str]]) -> None:
        seen.append(["account_linking", message["account_linking"]["status"]])

    def delivery(self, message: dict[str, dict[str, list[str]]]) -> None:
        seen.append(["delivery", str(len(message["delivery"]["mids"]))])

    def optin(self, message: dict[str, dict[str, str]]) -> None:
        seen.append(["optin", message["optin"]["ref"]])


button = Button(button_type="postback", title="Yes", payload="YES")
choices = QuickReplies([QuickReply(title="Lamp", payload="LAMP")])
card = Element(title="Lamp", subtitle="bright", image_url="https://pictures.example/lamp.png", buttons=[button])
messenger = Messenger()
for body in asked["webhooks"]:
    messenger.handle(json.loads(body))
done = {
    "seen": seen,
    "text": client.send(Text("Hello").to_dict(), psid),
    "choices": client.send(Text("Choose", quick_replies=choices).to_dict(), psid, messaging_type="RESPONSE"),
    "buttons": client.send(ButtonTemplate(text="What now?", buttons=[button]).to_dict(), psid),
    "cards": client.send(GenericTemplate(elements=[card]).to_dict(), psid),
    "image": client.send(Image(url="https://pictures.example/lamp.png").to_dict(), psid),
    "upload": client.upload_attachment(Image(url="https://pictures.example/lamp.png", is_reusable=True)),
    "typing": client.send_action(SenderAction("typing_on").to_dict(), psid),
    "profile": client.get_user_data(psid),
    "nobody": client.send(Text("x").to_dict(), "404"),
    "no_fields": client.subscribe_app_to_page(),
}
print(json.dumps(done))
