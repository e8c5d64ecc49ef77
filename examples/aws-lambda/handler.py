def handle(*_: object) -> str:
    return "hello"
