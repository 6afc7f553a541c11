# lrm serve in a container, on CPUs: docker build -t lrm . && docker run -p 8000:8000 -e LRM_SERVE_TOKEN=secret lrm
# Without LRM_SERVE_TOKEN a token is drawn and printed with the address. On ARM: docker build --platform linux/amd64,
# as embreex has no wheels for Linux there.

FROM python:3.12-slim AS build
RUN pip install --no-cache-dir uv
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY lrm_core lrm_core
COPY lrm_cli lrm_cli
# torch's own index holds wheels without CUDA: a tenth of the size
RUN uv venv /venv \
    && uv pip install --python /venv --no-cache --index-url https://download.pytorch.org/whl/cpu torch torchvision \
    && uv pip install --python /venv --no-cache '.[heic,serve]'

FROM python:3.12-slim
RUN useradd --create-home lrm
COPY --from=build /venv /venv
USER lrm
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz')"]
ENTRYPOINT ["lrm", "serve", "--host", "0.0.0.0"]
