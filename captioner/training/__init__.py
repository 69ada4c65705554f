"""Everything that trains, exports and evaluates a model. The running service imports nothing of it.

Programs, `python -m captioner.training.NAME`:

    recipe                 all of it for COCO, in four commands
    coco, data, word_list  prepare photos and words; object_detection: objects on photos without captions;
      pretrained             published weights to start from; non_photos: images of other types
    train                  one stage of training
    export                 a bundle of trained weights; fit_evidence: its probabilities of words
    face_export            the face bundle, of published weights that face_networks reads
    evaluate               scores of a bundle; contact_sheet: photos with their captions

What they are made of:

    encoder, model         the network in Keras; joint_embedding: heads on its features, text tower
    stages                 the stages of `train`, on the one loop of `loop`, saved by `checkpoint`:
      stagewise (by stagewise_teacher), captioning, self_critical, joint_embedding
    tags                   which words are tags, and those that the decoder reads
    captioned_photos       the captions of a bundle beside those of people, and what is measured on them:
      metrics, retrieval
"""
