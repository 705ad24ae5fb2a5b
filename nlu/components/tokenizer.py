"""Whitespace tokens that also carry their form without diacritics."""

from __future__ import annotations

from typing import List, Text

from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.nlu.tokenizers.tokenizer import Token
from rasa.nlu.tokenizers.whitespace_tokenizer import WhitespaceTokenizer
from rasa.shared.nlu.training_data.message import Message

from nlu.text import fold


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_TOKENIZER, is_trainable=False)
class FoldingTokenizer(WhitespaceTokenizer):
    """Rasa's whitespace tokenizer; each token's ``lemma`` is its text without diacritics.

    A featurizer with ``use_lemma: true`` thereby reads the folded text and one with ``use_lemma: false`` the
    text as written, so that "lam khai sinh" and "làm khai sinh" share features and still differ.
    """

    def tokenize(self, message: Message, attribute: Text) -> List[Token]:
        """Tokenize ``message[attribute]`` (see the parent class)."""
        found = super().tokenize(message, attribute)
        for token in found:
            token.lemma = fold(token.text).lower()
        return found
