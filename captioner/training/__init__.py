"""What it takes to train, score and export a model. Nothing here is imported by the running service.

    encoder, model         the network; embedding: photos and texts in one space
    teacher                the model that is learnt from; sentence_teacher: the one for words
    distil, stagewise,     the stages of training, on the one loop of `loop`, kept by `checkpoint`
      describe, critic, embedding
    lite                   Keras layers as TFLite models
    metrics, bm25, recall, what a bundle is measured by; reward: the same while learning
      synonyms, plot

Programs, `python -m captioner.training.NAME`: recipe (all of it), coco, data, word_list, pretrained, objects,
non_photos, train, export, fit_evidence, evaluate, contact_sheet.
"""
