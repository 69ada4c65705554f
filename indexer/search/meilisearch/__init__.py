"""Meilisearch as the search server of a household.

    keys, key_making, administration   whoever sets the server up
    connection                         HTTP; why not through the official client
    index_settings, layout             the index: its settings, and how a photo lies in it
    index, writer                      writing: tasks, refused documents, a second index put in place as a whole
    request, filters                   words and filters as the server reads them
    client, retrieval, candidates      searching: what the server finds, and what of it we rank
    searcher                           pages, facets, photos like another
    backend                            all of it as a `SearchBackend`

The server finds, forgives typing mistakes, filters, counts and knows which embeddings are near; its best two hundred
photos or so are ranked and explained by the same code as the embedded search's.
"""

from indexer.search.meilisearch.backend import MeilisearchSearch

__all__ = ["MeilisearchSearch"]
