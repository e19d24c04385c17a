"""Access tokens that must not let anybody in. Each is a function of the keys and tokens that the real pool has."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from local.tokens import password_token, sign_in
from tests.contract.builders import as_json

Claims = dict[str, Any]
Forgery = Callable[["Pool"], str]

OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
HOUR = 3600


@dataclass
class Pool:
    """The user pool of a running stack, with the private key that only the emulator should have."""

    stack: dict[str, Any]

    @cached_property
    def tokens(self) -> dict[str, str]:
        return {name: password_token(self.stack, name) for name in ("admin", "viewer", "editor", "newcomer")}

    @cached_property
    def signed_in(self) -> dict[str, str]:
        return sign_in(self.stack, "admin")

    @cached_property
    def private_key(self) -> Any:
        keys = Path(self.stack["log"]).parents[1] / "emulator" / "state" / "cognito-pool-keys"
        return load_pem_private_key((keys / f"{self.stack['user_pool_id']}-access.pem").read_bytes(), password=None)

    @property
    def key_id(self) -> str:
        return str(jwt.get_unverified_header(self.tokens["admin"])["kid"])

    def claims(self, name: str = "admin") -> Claims:
        return dict(jwt.decode(self.tokens[name], options={"verify_signature": False}))

    def signed(self, name: str = "admin", **changed: Any) -> str:
        """By the pool itself: a change of None leaves a claim out."""
        claims = {claim: value for claim, value in (self.claims(name) | changed).items() if value is not None}
        # Not by jwt.encode, which refuses claims that the gateway has to refuse.
        return jwt.PyJWS().encode(as_json(claims), self.private_key, algorithm="RS256", headers={"kid": self.key_id})


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def assembled(head: Any, claims: Any, signature: bytes = b"") -> str:
    return f"{text(as_json(head))}.{text(as_json(claims))}.{text(signature)}"


def parts(pool: Pool, name: str = "admin") -> tuple[str, str, str]:
    head, claims, signature = pool.tokens[name].split(".")
    return head, claims, signature


def unsigned(pool: Pool, algorithm: Any, *, keep_signature: bool = False) -> str:
    forged = assembled({"alg": algorithm, "kid": pool.key_id}, pool.claims())
    return forged + parts(pool)[2] if keep_signature else forged


def hmac_with(pool: Pool, algorithm: str, digest: str, form: str) -> str:
    public = pool.private_key.public_key()
    secret = {
        "pem": lambda: public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "pem without its last line break": lambda: public.public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        ).strip(),
        "der": lambda: public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "pkcs1": lambda: public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "jwk": lambda: json.dumps(jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True)).encode(),
        "modulus": lambda: public.public_numbers().n.to_bytes(256, "big"),
        "nothing": lambda: b"",
        "key id": pool.key_id.encode,
        "client id": pool.stack["client_id"].encode,
        "word": lambda: b"secret",
    }[form]()
    signed = assembled({"alg": algorithm, "kid": pool.key_id, "typ": "JWT"}, pool.claims()).rstrip(".")
    return f"{signed}.{text(hmac.new(secret, signed.encode(), digest).digest())}"


def of_another_key(pool: Pool, algorithm: str = "RS256", **head: Any) -> str:
    key: Any = {
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
    }.get(algorithm, lambda: OTHER_KEY)()
    return jwt.encode(pool.claims(), key, algorithm=algorithm, headers={"kid": pool.key_id, **head})


def with_key_id(pool: Pool, key_id: Any) -> str:
    """PyJWT would not write some of these."""
    signed = assembled({"alg": "RS256", "kid": key_id}, pool.claims()).rstrip(".")
    signature = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(signed.encode(), OTHER_KEY)
    return f"{signed}.{text(signature)}"


def with_key_in_head(pool: Pool, name: str) -> str:
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(OTHER_KEY.public_key(), as_dict=True)
    der = OTHER_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    value: Any = {
        "jwk": jwk,
        "jku": "http://127.0.0.1:1/jwks.json",
        "x5u": "http://127.0.0.1:1/key.pem",
        "x5c": [base64.b64encode(der).decode()],
        "x5t": text(hashlib.sha256(der).digest()),
        "crit": ["exp"],
        "zip": "DEF",
        "cty": "JWT",
        "b64": False,
    }[name]
    return of_another_key(pool, **{name: value})


def tampered(pool: Pool, changed: Claims, name: str = "viewer") -> str:
    head, _, signature = parts(pool, name)
    return f"{head}.{text(as_json(pool.claims(name) | changed))}.{signature}"


def other_algorithm_over_a_real_signature(pool: Pool, algorithm: str) -> str:
    _, claims, signature = parts(pool)
    return f"{text(as_json({'alg': algorithm, 'kid': pool.key_id}))}.{claims}.{signature}"


def with_signature(pool: Pool, change: Callable[[str], str]) -> str:
    head, claims, signature = parts(pool)
    return f"{head}.{claims}.{change(signature)}"


def signature_of(pool: Pool, name: str) -> str:
    return f"{pool.tokens['admin'].rpartition('.')[0]}.{parts(pool, name)[2]}"


def _flipped(signature: str, place: int) -> str:
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[place] ^= 1
    return text(bytes(raw))


def _tables() -> dict[str, Forgery]:
    found: dict[str, Forgery] = {}
    for algorithm in ("none", "None", "NONE", "nOnE", "", None, 0, "RS", "HS256 ", "rs256"):
        found[f"with the algorithm {algorithm!r} and no signature"] = partial(unsigned, algorithm=algorithm)
    for algorithm in ("none", "NONE"):
        forge = partial(unsigned, algorithm=algorithm, keep_signature=True)
        found[f"with the algorithm {algorithm!r} and a real signature"] = forge
    for form in ("pem", "pem without its last line break", "der", "pkcs1", "jwk", "modulus"):
        found[f"signed by HS256 with the public key as {form}"] = partial(
            hmac_with, algorithm="HS256", digest="sha256", form=form
        )
    for form in ("nothing", "key id", "client id", "word"):
        found[f"signed by HS256 with a guess: {form}"] = partial(
            hmac_with, algorithm="HS256", digest="sha256", form=form
        )
    for algorithm, digest in (("HS384", "sha384"), ("HS512", "sha512")):
        found[f"signed by {algorithm} with the public key"] = partial(
            hmac_with, algorithm=algorithm, digest=digest, form="pem"
        )
    for algorithm in ("RS256", "RS384", "RS512", "PS256", "PS512", "ES256", "ES512", "EdDSA"):
        found[f"signed by {algorithm} with a key of the forger's"] = partial(of_another_key, algorithm=algorithm)
    for algorithm in ("RS384", "RS512", "PS256", "HS256", "ES256"):
        found[f"with a real signature that is said to be {algorithm}"] = partial(
            other_algorithm_over_a_real_signature, algorithm=algorithm
        )
    for key_id in (
        *(
            "",
            "another-pools-key",
            "../../../../../../dev/null",
            "file:///dev/null",
            "' OR '1'='1",
            "\u0000",
            "a" * 2000,
        ),
        *("http://127.0.0.1:1/jwks.json", "; ls", None, 0, True, ["a"], {"a": 1}, "\u202e"),
    ):
        found[f"with the key id {ascii(key_id)[:40]}"] = partial(with_key_id, key_id=key_id)
    for name in ("jwk", "jku", "x5u", "x5c", "x5t", "crit", "zip", "cty", "b64"):
        found[f"with the forger's own {name} in its head"] = partial(with_key_in_head, name=name)
    return found | _of_claims() | _of_signatures() | _of_shape()


def _of_claims() -> dict[str, Forgery]:
    """Tampered after signing; and signed by the pool, which would never have."""
    tampering: list[Claims] = [
        {"cognito:groups": ["admins"]},
        {"sub": "someone-else"},
        {"client_id": "another"},
        {"scope": "tagged-image-manager/admin"},
        {"exp": 2**40},
        {"username": "admin"},
        {"token_use": "id"},
        {"iss": "https://evil.example"},
    ]
    found: dict[str, Forgery] = {
        f"whose {next(iter(changed))} was changed after signing": partial(tampered, changed=changed)
        for changed in tampering
    }
    now = int(time.time())
    wrong: dict[str, Claims] = {
        "that expired an hour ago": {"exp": now - HOUR},
        "that expired a second ago": {"exp": now - 1},
        "that expired in 1970": {"exp": 0},
        "that expires before time began": {"exp": -1},
        "that expires at a time that is text": {"exp": "tomorrow"},
        "that expires at a list": {"exp": [now + HOUR]},
        "that never expires": {"exp": None},
        "that is valid only from an hour on": {"nbf": now + HOUR},
        "that was issued in an hour": {"iat": now + HOUR},
        "of another issuer": {"iss": "https://evil.example"},
        "of another pool's issuer": {"iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_another"},
        "of another region's issuer": {"iss": "https://cognito-idp.us-east-1.amazonaws.com/eu-central-1_another"},
        "of several issuers": {"iss": ["https://evil.example", "us"]},
        "of no issuer": {"iss": None},
        "for another use": {"token_use": "id"},
        "for refreshing": {"token_use": "refresh"},
        "for a use in capitals": {"token_use": "ACCESS"},
        "for no use": {"token_use": None},
        "without a scope": {"scope": None},
        "with an empty scope": {"scope": ""},
        "with a scope of OpenID only": {"scope": "openid email"},
        "with a scope of another API": {"scope": "another-api/admin"},
        "with the beginning of a scope": {"scope": "tagged-image-manager/"},
        "with a scope in capitals": {"scope": "TAGGED-IMAGE-MANAGER/ADMIN"},
        "with scopes parted by commas": {"scope": "tagged-image-manager/admin,tagged-image-manager/read"},
        "with a scope that goes on": {"scope": "tagged-image-manager/admin2"},
        "of no client": {"client_id": None},
        "of a client that is a list": {"client_id": ["a"]},
    }
    return found | {
        f"of the pool {what}": (lambda pool, changed=changed: pool.signed(**changed)) for what, changed in wrong.items()
    }


def _of_signatures() -> dict[str, Forgery]:
    changes: dict[str, Callable[[str], str]] = {
        "cut off": lambda _: "",
        "cut in half": lambda signature: signature[: len(signature) // 2],
        "with its first bit flipped": lambda signature: _flipped(signature, 0),
        "with its last bit flipped": lambda signature: _flipped(signature, -1),
        "said twice": lambda signature: signature * 2,
        "backwards": lambda signature: signature[::-1],
        "of zeros": lambda _: text(bytes(256)),
        "of one byte": lambda _: text(b"\x00"),
        "that is not base64": lambda _: "!" * 342,
    }
    found: dict[str, Forgery] = {
        f"with a signature {what}": partial(with_signature, change=change) for what, change in changes.items()
    }
    for name in ("viewer", "editor"):
        found[f"with the signature of {name}'s token"] = partial(signature_of, name=name)
    return found


def _of_shape() -> dict[str, Forgery]:
    def whole(change: Callable[[str], str]) -> Forgery:
        return lambda pool: change(pool.tokens["admin"])

    def head_of(raw: bytes) -> Forgery:
        return lambda pool: ".".join((text(raw), *parts(pool)[1:]))

    def claims_of(raw: bytes) -> Forgery:
        return lambda pool: f"{parts(pool)[0]}.{text(raw)}.{parts(pool)[2]}"

    return {
        "that is garbage": lambda _: "garbage",
        "that is three parts of garbage": lambda _: "a.b.c",
        "that is nothing but dots": lambda _: "..",
        "of two parts": whole(lambda token: token.rpartition(".")[0]),
        "of four parts": whole(lambda token: f"{token}.x"),
        "of five parts, as if encrypted": whole(lambda token: f"{token}.x.y"),
        "that is said twice": whole(lambda token: f"{token}.{token}"),
        "in capitals": whole(str.upper),
        "in small letters": whole(str.lower),
        "backwards": whole(lambda token: token[::-1]),
        "in quotes": whole(lambda token: f'"{token}"'),
        "in base64": whole(lambda token: base64.b64encode(token.encode()).decode()),
        "whose dots are percent-encoded": whole(lambda token: token.replace(".", "%2E")),
        "with a comma behind it": whole(lambda token: f"{token},"),
        "as a JSON serialization": whole(lambda token: json.dumps({"payload": token.split(".")[1]}).replace(" ", "")),
        "whose head is no JSON": head_of(b"{"),
        "whose head is a list": head_of(b"[]"),
        "whose head is null": head_of(b"null"),
        "whose head is deeply nested": head_of(b"[" * 2000),
        "whose claims are no JSON": claims_of(b"{"),
        "whose claims are a list": claims_of(b"[]"),
        "whose claims are a huge number": claims_of(b"1" * 3000),
        "that is an ID token": lambda pool: pool.signed_in["IdToken"],
        "that is a refresh token": lambda pool: pool.signed_in["RefreshToken"],
        "that is undefined": lambda _: "undefined",
        "that is null": lambda _: "null",
        "that is a user's password": lambda pool: str(pool.stack["users"]["admin"]["password"]),
        "that is a client's secret": lambda pool: str(pool.stack["machine_client_secret"]),
    }


FORGERIES = _tables()
"""By what each is."""
