"""Baby Language: its vocabulary, grammar, paraphrases and sentence embeddings."""

from didact.environments.language.grammar import Sentence
from didact.environments.language.paraphrases import phrasings, rephrase
from didact.environments.language.sentence_embeddings import (
    SentenceTable,
    sentence_vectors,
    with_vectors,
)
from didact.environments.language.templates import Templates
from didact.environments.language.vocabulary import decode, encode

__all__ = [
    "Sentence",
    "SentenceTable",
    "Templates",
    "decode",
    "encode",
    "phrasings",
    "rephrase",
    "sentence_vectors",
    "with_vectors",
]
