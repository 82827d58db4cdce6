# One image for all five services and the tools; the command chooses. No root, no compiler, no secret inside.
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements.lock .
RUN python -m venv /opt/doorstep && /opt/doorstep/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.13-slim
ENV PATH=/opt/doorstep/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/doorstep /opt/doorstep
WORKDIR /app
COPY shared shared
COPY services services
COPY cli cli
COPY simulation simulation
COPY tools tools
COPY training training
# Named volumes take over the owner of what they are mounted on.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /keys /issuer
USER 10001
CMD ["python", "-m", "cli", "--help"]
