"""Runs a model bundle. Needs numpy and LiteRT, never TensorFlow or Keras.

process            `CaptionerProcess`: the service's side; worker: the child process
manifest           manifest.json of a bundle
preprocess         resizing, normalisation, tokens: shared with training
litert             from pixels to a caption; decoding: beam search
evidence           probabilities of words, confidence of sentences
imagenet_classes   everyday words for classes, and the types of pictures that are no photos
text_tower         embeddings of queries; embedding and word scores in one
"""
