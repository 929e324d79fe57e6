"""Networks: the architectures of ``conf/model``, built from layers."""
