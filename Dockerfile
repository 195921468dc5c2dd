# syntax=docker/dockerfile:1
# The wheel is built in one stage; the service's stage holds no compiler, no sources and no root process.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /build
COPY requirements/build.txt requirements/service.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/build.txt
RUN python -m venv /srv/offerlab \
 && uv pip install --no-cache --compile-bytecode --python /srv/offerlab/bin/python --require-hashes -r requirements/service.txt
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY src src
RUN hatchling build --target wheel \
 && uv pip install --no-cache --compile-bytecode --no-deps --python /srv/offerlab/bin/python dist/*.whl

FROM python:${PYTHON}-slim
# Pictures on the server are drawn with a font that has Hangul; an unknown font would drop all text.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends fonts-noto-cjk \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/offerlab offerlab
COPY --from=build /srv/offerlab /srv/offerlab
ENV PATH=/srv/offerlab/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    OFFERLAB_DATA_DIR=/var/lib/offerlab
USER offerlab
WORKDIR /var/lib/offerlab
VOLUME /var/lib/offerlab
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["offerlab"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
