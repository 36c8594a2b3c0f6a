# serfusion on the CPU, with the weights that make the demo and the interview model work offline:
#
#     docker build -t serfusion .
#     docker run --rm -v "$PWD:/work" -v serfusion-cache:/cache serfusion demo
#
# Not built by this project's tests, which have no Docker; they check that what is copied here is
# there, and that the same pins install and run in a bare environment (scripts/bare_install.py).
# For a GPU take an image with CUDA and leave out the index of CPU builds.
FROM python:3.11-slim

ENV PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1 \
    SERFUSION_CACHE=/cache \
    HF_HOME=/cache/huggingface \
    XDG_CACHE_HOME=/cache

WORKDIR /opt/serfusion
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY encoders ./encoders
COPY fusion ./fusion
COPY experiments ./experiments
# The pin torch==2.13.0 is met by the CPU's build of it, which is a tenth of the size.
RUN pip install --extra-index-url https://download.pytorch.org/whl/cpu \
        "torch==$(sed -n 's/^torch==//p' constraints.txt)+cpu" \
    && pip install -c constraints.txt '.[offline,multilingual]'

RUN useradd --create-home serfusion && mkdir /cache /work && chown serfusion /cache /work
USER serfusion
WORKDIR /work
VOLUME /cache
ENTRYPOINT ["serfusion"]
CMD ["--help"]
