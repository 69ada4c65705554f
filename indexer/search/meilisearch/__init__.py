"""Meilisearch as the search server of a household.

    keys, administration            the keys in use; setting the server up
    connection                      HTTP; why not through the official client
    layout                          the index: its settings, and how a photo lies in it
    index                           writing: tasks, refused documents, a second index put in place as a whole
    request                         words and filters as the server reads them
    candidates, client, retrieval   searching: what the server finds, and what of it we rank
    folded                          of photos that are nearly the same one
    backend                         all of it as a `SearchBackend`: pages, facets, photos like another

The server finds, forgives typing mistakes, filters, counts and knows which embeddings are near; its best two hundred
photos or so are ranked and explained by the same code as the embedded search's.
"""

from indexer.search.meilisearch.backend import MeilisearchSearch

__all__ = ["MeilisearchSearch"]
