# A model as an image: for an image volume, or KServe's modelcar, which needs the shell. What is built
# is the folder that `hf download <model> --revision <revision> --local-dir models` has filled.
ARG SHELL_IMAGE=busybox:1.37.0
FROM ${SHELL_IMAGE}
COPY . /models
