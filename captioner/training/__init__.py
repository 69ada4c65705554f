"""What it takes to train, score and export a model. Nothing here is imported by the running service.

    encoder, model         the network; embedding: photos and texts in one space
    teacher                the model that is learnt from; sentence_teacher: the one for words
    distil, stagewise,     the stages of training, on the one loop of `loop`, kept by `checkpoint`
      describe, critic, embedding
    lite                   Keras layers as TFLite models
    metrics, bm25, recall, what a bundle is measured by; reward: the same while learning
      synonyms, plot

The programs stand one level up: `captioner.data`, `train`, `export`, `evaluate` and what prepares them.
"""
