"""Signs the URL of a private image: python3 sign.py KEY PATH SECONDS"""

import hashlib
import hmac
import sys
import time


def sign(key: str, path: str, seconds: int) -> str:
    text = f"{path}{'&' if '?' in path else '?'}exp={int(time.time()) + seconds}"
    return f"{text}&sig={hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()}"


if __name__ == "__main__":
    print(sign(sys.argv[1], sys.argv[2], int(sys.argv[3])))
