from reconciler.enos import session


def test_encryption_is_the_hash_of_key_stamp_and_secret() -> None:
    # printf '%s' 'ak1574385824000sk' | sha256sum
    assert session.encryption("ak", 1574385824000, "sk") == (
        "d6336c8209cc0e2dc520b8698035eeccdd3d2c302f5efb4b9bb2f2a3e2632a6e"
    )


def test_signature_is_the_hash_of_token_sorted_query_body_stamp_and_secret() -> None:
    # printf '%s' 'TactiongetorgIdo1userIdu 1&{"a":1}7sk' | sha256sum
    query = {"userId": "u 1&", "orgId": "o1", "action": "get"}
    assert session.sign_call("T", query, b'{"a":1}', 7, "sk") == (
        "b4e9e8429483e771b2024428a416a90f270b4c0c38e9dd91b32f2ac34bdd6744"
    )


def test_query_names_are_ordered_as_ascii_and_not_as_in_a_dictionary() -> None:
    # printf '%s' 'TB2a17sk' | sha256sum
    assert session.sign_call("T", {"a": "1", "B": "2"}, b"", 7, "sk") == (
        "94de94344061077027b36c9cf52f6fb19585cc5c376aef3741c4ba4beed91dfa"
    )


def test_the_body_is_signed_byte_for_byte_even_where_it_is_no_text() -> None:
    assert session.sign_call("T", {}, b"\xff", 7, "sk") != session.sign_call(
        "T", {}, b"\xfe", 7, "sk"
    )
