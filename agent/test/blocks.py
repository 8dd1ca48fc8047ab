"""Builds tar archives block by block."""

ZEROS = bytes(1024)


def header(
    name=b'f',
    kind=b'0',
    size=b'00000000000',
    link=b'',
    mode=b'0000644',
    mtime=b'00000000000',
    magic=b'ustar\x0000',
    prefix=b'',
    signed=False,
    uid=b'0000000',
):
    block = bytearray(512)

    def put(offset, value):
        block[offset : offset + len(value)] = value

    put(0, name)
    put(100, mode)
    put(108, uid)
    put(116, b'0000000')
    put(124, size)
    put(136, mtime)
    put(148, b' ' * 8)
    put(156, kind)
    put(157, link)
    put(257, magic)
    put(345, prefix)
    total = sum(b - 256 if signed and b > 127 else b for b in block)
    put(148, b'%06o\0' % (total & 0o777777))
    return bytes(block)


def pad(content):
    return content + bytes(-len(content) % 512)


def octal(number):
    return b'%011o' % number


def file(name, content=b'', **rest):
    return header(name, size=octal(len(content)), **rest) + pad(content)


def record(key, value):
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length = rest + len(str(length))
    return b'%d %s=%s\n' % (length, key, value)


def pax(*records, kind=b'x'):
    content = b''.join(record(*r) for r in records)
    return header(b'pax', kind, octal(len(content))) + pad(content)
