"""Baby Language: its vocabulary, grammar, paraphrases and sentence embeddings."""

from didact.environments.language.grammar import Sentence
from didact.environments.language.paraphrases import all_paraphrases, paraphrase
from didact.environments.language.sentence_embeddings import (
    EmbeddingTable,
    embed_sentences,
    with_sentence_embeddings,
)
from didact.environments.language.templates import Templates
from didact.environments.language.vocabulary import decode, encode

__all__ = [
    "EmbeddingTable",
    "Sentence",
    "Templates",
    "all_paraphrases",
    "decode",
    "embed_sentences",
    "encode",
    "paraphrase",
    "with_sentence_embeddings",
]
