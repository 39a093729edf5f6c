"""RFC 8613, Appendix B.2, out of what aiocoap has: derivation, protection, and its hooks for another context.

aiocoap runs no exchange of IDs by itself; which ID goes where is written here after the text of the RFC.
"""

import os

import cbor2
from aiocoap import Message, error, oscore
from aiocoap.numbers.codes import Code

from lines import MemoryContext


class Exchanged(MemoryContext):
    """A context of one run; `kid_context` is what its requests carry, True for the ID Context itself."""

    def __init__(self, parameters, id_context, kid_context=True):
        super().__init__(**parameters, id_context=id_context)
        self.parameters = parameters
        self.kid_context = kid_context

    def protect(self, message, request_id=None, *, kid_context=True):
        return super().protect(message, request_id, kid_context=self.kid_context)

    def context_from_response(self, unprotected):
        if oscore.COSE_KID_CONTEXT not in unprotected:
            return self
        return Second(self, cbor2.loads(unprotected[oscore.COSE_KID_CONTEXT]), oscore.COSE_PIV in unprotected)


class Second(Exchanged):
    """Of response #1, which carries R2 in place of the ID Context R2 || ID1.

    Without a Partial IV of its own that has the nonce of the request (Section 5.2), as it stands. aiocoap makes it anew, so this has the Common IV of the
    context of the request.
    """

    def __init__(self, first, r2, own_piv):
        super().__init__(first.parameters, r2 + (first.id_context or b""))
        self.r2 = r2
        if not own_piv:
            self.common_iv = first.common_iv

    def third(self):
        id3 = self.r2 + os.urandom(8)
        return Exchanged(self.parameters, id3, cbor2.dumps(id3))

    def protect(self, message, request_id=None, *, kid_context=True):
        outer, request_id = super().protect(message, request_id)
        option = outer.opt.oscore or b"\x00"
        wrapped = cbor2.dumps(self.r2)
        outer.opt.oscore = bytes([option[0] | 0x10]) + option[1:] + bytes([len(wrapped)]) + wrapped
        return outer, request_id

    @classmethod
    def _extract_encrypted0(cls, message):
        protected_serialized, protected, unprotected, ciphertext = super()._extract_encrypted0(message)
        unprotected.pop(oscore.COSE_KID_CONTEXT, None)
        return protected_serialized, protected, unprotected, ciphertext


def make_r2():
    """Its first byte is no head of a CBOR byte string, so an ID Context that begins with it is never taken for a wrapped one."""
    return b"\xff" + os.urandom(7)


class Response1(error.RenderableError):
    def __init__(self, second, request_id):
        self.second = second
        self.request_id = request_id

    def to_message(self):
        return self.second.protect(Message(code=Code.UNAUTHORIZED), self.request_id)[0]


class First(Exchanged):
    """Of request #1: what verifies is answered, and not executed."""

    def __init__(self, server, id1):
        super().__init__(server.parameters, id1)
        self.server = server

    @classmethod
    def _extract_encrypted0(cls, message):
        protected_serialized, protected, unprotected, ciphertext = super()._extract_encrypted0(message)
        unprotected.pop(oscore.COSE_KID_CONTEXT, None)
        return protected_serialized, protected, unprotected, ciphertext

    def unprotect(self, protected_message, request_id=None):
        _, request_id = super().unprotect(protected_message, request_id)
        r2 = make_r2()
        self.server.cached.append(r2)
        if self.server.own_piv:
            request_id.can_reuse_nonce = False
        raise Response1(Second(self, r2, self.server.own_piv), request_id)


class Third(First):
    """Of request #2, and in use once that has verified."""

    def unprotect(self, protected_message, request_id=None):
        result = Exchanged.unprotect(self, protected_message, request_id)
        self.server.current = self
        self.server.cached.clear()
        return result


def unwrap(kid_context):
    """What the byte string holds, if the kid context is one, whole; `loads` leaves trailing bytes unread."""
    try:
        wrapped = cbor2.loads(kid_context)
    except Exception:
        return None
    return wrapped if isinstance(wrapped, bytes) and cbor2.dumps(wrapped) == kid_context else None


class RenewingServer:
    """Stands in aiocoap's map of credentials; R2s are cached."""

    def __init__(self, parameters, own_piv):
        self.parameters = parameters
        self.own_piv = own_piv
        self.cached = []
        self.current = None

    def get_oscore_context_for(self, unprotected):
        if unprotected.get(oscore.COSE_KID) != self.parameters["recipient_id"]:
            return None
        kid_context = unprotected.get(oscore.COSE_KID_CONTEXT)
        wrapped = unwrap(kid_context)
        if self.current is not None and self.current.id_context in (kid_context, wrapped):
            return self.current
        if wrapped is not None:
            return (Third if wrapped[:8] in self.cached else First)(self, wrapped)
        return First(self, kid_context)


def input_parameters(text):
    """secret:salt:sender:recipient in hexadecimal."""
    secret, salt, sender_id, recipient_id = (bytes.fromhex(part) for part in text.split(":"))
    return {"secret": secret, "salt": salt, "sender_id": sender_id, "recipient_id": recipient_id}
