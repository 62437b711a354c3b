"""All settings, read from the environment or ``.env``; ``env.example`` lists each with its default.

A missing or malformed setting stops the start with one sentence that names it.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from qwencam_site import __version__, environment, logs, redis_options

BASE_DIR = Path(__file__).resolve().parent.parent
environment.read_file(BASE_DIR / ".env")
VERSION = __version__

# --- Model -----------------------------------------------------------------------------------
MODEL_NAME = environment.text("MODEL_NAME", "qwencam-demo")
MODEL_MAX_TOKENS = environment.integer("MODEL_MAX_TOKENS", 4096, low=512, high=1_000_000)
RESPONSE_MAX_TOKENS = environment.integer("RESPONSE_MAX_TOKENS", 128, low=1, high=8192)
SYSTEM_PROMPT = environment.text(
    "SYSTEM_PROMPT",
    "You are QwenCam, a realtime camera assistant. Answer briefly about what the camera sees now.",
)
VLLM_BASE_URLS = tuple(
    url.rstrip("/")
    for url in environment.urls(
        "VLLM_BASE_URL", "http://127.0.0.1:8100/v1", schemes=("http", "https")
    )
)
VLLM_API_KEY = environment.secret("VLLM_API_KEY")
MODEL_TIMEOUT_SECONDS = environment.number("MODEL_TIMEOUT_SECONDS", 120, low=1, high=3600)
MODEL_STALL_SECONDS = environment.number("MODEL_STALL_SECONDS", 4, low=0.5, high=60)
HISTORY_TURNS = environment.integer("HISTORY_TURNS", 6, low=0, high=50)

# --- Frames and media ------------------------------------------------------------------------
FRAME_SAMPLE_RATE = environment.number("FRAME_SAMPLE_RATE", 2.0, low=0.05, high=30)
LIVE_CHANGE_THRESHOLD = environment.number("LIVE_CHANGE_THRESHOLD", 2.5, low=0, high=255)
LIVE_REFRESH_SECONDS = environment.number("LIVE_REFRESH_SECONDS", 15, low=0.1, high=3600)
FRAME_MAX_EDGE = environment.integer("FRAME_MAX_EDGE", 448, low=56, high=4096)
FRAME_TTL_SECONDS = environment.integer("FRAME_TTL_SECONDS", 30, low=5, high=300)
FRAME_WAIT_SECONDS = environment.number("FRAME_WAIT_SECONDS", 10, low=0.1, high=60)
FRAME_MAX_AGE_SECONDS = environment.number("FRAME_MAX_AGE_SECONDS", 2.0, low=0.05, high=60)
JPEG_QUALITY = environment.integer("JPEG_QUALITY", 80, low=30, high=100)
MAX_FRAME_WIDTH = environment.integer("MAX_FRAME_WIDTH", 1920, low=64, high=8192)
MAX_FRAME_HEIGHT = environment.integer("MAX_FRAME_HEIGHT", 1080, low=64, high=8192)
ENABLE_FACE_BLUR = environment.flag("ENABLE_FACE_BLUR", default=False)
ENABLE_NSFW_FILTER = environment.flag("ENABLE_NSFW_FILTER", default=False)
NSFW_THRESHOLD = environment.number("NSFW_THRESHOLD", 0.8, low=0, high=1)
ICE_SERVERS = environment.ice_servers("ICE_SERVERS")
TURN_SECRET = environment.secret("TURN_SECRET")
ICE_PUBLIC_ADDRESS = environment.text("ICE_PUBLIC_ADDRESS", "")
ICE_PORT_RANGE = environment.port_range("ICE_PORT_RANGE")
PEER_SILENCE_SECONDS = environment.number("PEER_SILENCE_SECONDS", 10, low=2, high=120)
PEER_GRACE_SECONDS = environment.number("PEER_GRACE_SECONDS", 8, low=0, high=120)

# --- Sessions and limits ---------------------------------------------------------------------
REQUIRE_AUTH = environment.flag("REQUIRE_AUTH", default=True)
ALLOW_REGISTRATION = environment.flag("ALLOW_REGISTRATION", default=False)
SESSION_IDLE_SECONDS = environment.integer("SESSION_IDLE_SECONDS", 3600, low=10, high=604_800)
DRAIN_SECONDS = environment.number("DRAIN_SECONDS", 20, low=0, high=600)
SOCKET_SILENCE_SECONDS = environment.number("SOCKET_SILENCE_SECONDS", 12, low=2, high=300)
MAX_SESSIONS = environment.integer("MAX_SESSIONS", 100, low=1, high=100_000)
MAX_SESSIONS_PER_USER = environment.integer("MAX_SESSIONS_PER_USER", 5, low=1, high=1000)
MAX_SESSIONS_PER_ADDRESS = environment.integer("MAX_SESSIONS_PER_ADDRESS", 5, low=1, high=100_000)
MAX_QUESTIONS_PER_MINUTE = environment.integer("MAX_QUESTIONS_PER_MINUTE", 60, low=1, high=10_000)
MAX_ANSWERS_PER_USER = environment.integer("MAX_ANSWERS_PER_USER", 16, low=1, high=10_000)
MAX_QUEUE_DEPTH = environment.integer("MAX_QUEUE_DEPTH", 64, low=1, high=100_000)
ASKER_GRACE_SECONDS = environment.number("ASKER_GRACE_SECONDS", 5, low=0.1, high=120)
MAX_QUESTION_CHARS = environment.integer("MAX_QUESTION_CHARS", 2000, low=10, high=50_000)
MAX_MESSAGE_BYTES = environment.integer("MAX_MESSAGE_BYTES", 65_536, low=4096, high=8_000_000)
MAX_MESSAGES_PER_MINUTE = environment.integer("MAX_MESSAGES_PER_MINUTE", 600, low=10, high=100_000)
TOKEN_REQUESTS_PER_MINUTE = environment.integer("TOKEN_REQUESTS_PER_MINUTE", 30, low=1, high=10_000)

# --- Accounts --------------------------------------------------------------------------------
LOGIN_FAILURE_LIMIT = environment.integer("LOGIN_FAILURE_LIMIT", 8, low=1, high=1000)
LOGIN_LOCKOUT_SECONDS = environment.integer("LOGIN_LOCKOUT_SECONDS", 300, low=1, high=86_400)
LOGIN_REMEMBER_DAYS = environment.integer("LOGIN_REMEMBER_DAYS", 30, low=1, high=400)
INVITATION_DAYS = environment.integer("INVITATION_DAYS", 7, low=1, high=365)
MAIL_LINK_HOURS = environment.integer("MAIL_LINK_HOURS", 24, low=1, high=720)
REGISTRATIONS_PER_HOUR = environment.integer("REGISTRATIONS_PER_HOUR", 10, low=1, high=10_000)
PASSWORD_RESETS_PER_HOUR = environment.integer("PASSWORD_RESETS_PER_HOUR", 5, low=1, high=10_000)
PUBLIC_URL = environment.url("PUBLIC_URL", "http://localhost:8000", schemes=("http", "https"))
EMAIL_BACKEND = environment.text("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
EMAIL_HOST = environment.text("EMAIL_HOST", "localhost")
EMAIL_PORT = environment.integer("EMAIL_PORT", 25, low=1, high=65_535)
EMAIL_HOST_USER = environment.text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = environment.secret("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = environment.flag("EMAIL_USE_TLS", default=False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = environment.text("DEFAULT_FROM_EMAIL", "qwencam@localhost")

# --- Django ----------------------------------------------------------------------------------
SECRET_KEY = environment.signing_key("DJANGO_SECRET_KEY", purpose="signing login cookies")
JWT_SECRET_KEY = environment.signing_key("JWT_SECRET_KEY", purpose="signing session tokens")
if JWT_SECRET_KEY == SECRET_KEY:
    raise ImproperlyConfigured("JWT_SECRET_KEY must differ from DJANGO_SECRET_KEY.")
DEBUG = False
DEMO_SCENE = environment.flag("DEMO_SCENE", default=False)
ALLOWED_HOSTS = environment.comma_separated("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = environment.comma_separated("CSRF_TRUSTED_ORIGINS", "")
HTTPS_ENABLED = environment.flag("HTTPS_ENABLED", default=False)
LOCAL_AUTHORITY_CERT = environment.text("LOCAL_AUTHORITY_CERT", "")
METRICS_ALLOW = environment.networks("METRICS_ALLOW", "127.0.0.1,::1")
WORKER_METRICS_HOST = environment.text("WORKER_METRICS_HOST", "127.0.0.1")
WORKER_METRICS_PORT = environment.integer("WORKER_METRICS_PORT", 8200, low=0, high=65_535)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "channels",
    "csp",
    "django_prometheus",
    "apps.accounts",
    "apps.live_settings",
    "apps.camera_sessions",
    "apps.streaming",
    "apps.chat",
    "apps.console",
    "apps.maintenance",
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "qwencam_site.caching.NoStoreMiddleware",
    "qwencam_site.uploads.UploadsForbidden",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "qwencam_site.urls"
ASGI_APPLICATION = "qwencam_site.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES: dict[str, Any] = {
    "default": environment.database("DATABASE_URL", f"sqlite:///{BASE_DIR / 'db.sqlite3'}")
}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Write-ahead logging lets the web process read while a worker writes; IMMEDIATE takes the
    # write lock at the start, so that two writers wait for each other instead of failing.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = environment.secret_url(
    "REDIS_URL", "redis://127.0.0.1:6379/0", schemes=("redis", "rediss", "unix")
)
REDIS_OPTIONS = redis_options.for_event_loops()
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": redis_options.for_threads(),
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, **REDIS_OPTIONS}],
            "prefix": "qwencam",
        },
    }
}

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# A Redis that refuses writes (a replica too few, a failover, a full memory) is a channel error to
# Celery, on which its worker would exit.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_WORKER_CONSUMER = "qwencam_site.celery_consumer:SteadyConsumer"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A task that is running must not be handed out again; a lost one is noticed long before.
    "visibility_timeout": 2 * MODEL_TIMEOUT_SECONDS + 300,
    "socket_keepalive": True,
    "health_check_interval": 5,
}
CELERY_TASK_DEFAULT_QUEUE = "inference"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "qwencam_site.celery_scheduler:HeartbeatScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5  # It gives a sign of life each time.
CELERY_BEAT_SCHEDULE = {
    "expire-idle-sessions": {
        "task": "apps.camera_sessions.tasks.expire_sessions",
        "schedule": timedelta(seconds=30),
        "options": {"expires": 25},
    },
}

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_HANDLER = "apps.accounts.lockout.LoginFailures"
AXES_FAILURE_LIMIT = LOGIN_FAILURE_LIMIT
AXES_COOLOFF_TIME = timedelta(seconds=LOGIN_LOCKOUT_SECONDS)
AXES_LOCKOUT_PARAMETERS = ["ip_address", "username"]
AXES_CLIENT_IP_CALLABLE = "apps.accounts.logins.client_network"
AXES_USERNAME_CALLABLE = "apps.accounts.lockout.counted_username"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "csrfmiddlewaretoken", "next"]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
SILENCED_SYSTEM_CHECKS = [
    # axes' middleware is left out: it would replace the reply that apps.accounts.logins makes.
    "axes.W002",
    # HSTS for subdomains and preload commit a whole domain: a choice of its owner, not a default.
    "security.W005",
    "security.W021",
]
PASSWORD_RESET_TIMEOUT = MAIL_LINK_HOURS * 3600
SESSION_ENGINE = "apps.accounts.login_sessions"
# A login ends with the browser, unless "remember me" was chosen.
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_AGE = LOGIN_REMEMBER_DAYS * 86_400
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.camera_sessions.parsers.SmallJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "qwencam_site.api_errors.exception_handler",
    "DEFAULT_THROTTLE_RATES": {"token": f"{TOKEN_REQUESTS_PER_MINUTE}/min"},
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": JWT_SECRET_KEY,
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "QwenCam",
    "DESCRIPTION": "Sessions, signaling and state of a self-hosted realtime camera assistant.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
}

# --- Web security ----------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "media-src": [SELF, "blob:"],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = HTTPS_ENABLED
CSRF_COOKIE_SECURE = HTTPS_ENABLED
CSRF_FAILURE_VIEW = "django.views.csrf.csrf_failure"
SECURE_SSL_REDIRECT = HTTPS_ENABLED
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^metrics$"]
SECURE_HSTS_SECONDS = environment.integer(
    "HSTS_SECONDS", 31_536_000 if HTTPS_ENABLED else 0, low=0, high=63_072_000
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = environment.flag("HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = environment.flag("HSTS_PRELOAD", default=False)
if HTTPS_ENABLED and not SECURE_HSTS_SECONDS:
    # Somebody has chosen 0: without a choice it is a year.
    SILENCED_SYSTEM_CHECKS.append("security.W004")
# Browsers' lists take no domain with less: https://hstspreload.org
if SECURE_HSTS_PRELOAD and not (
    SECURE_HSTS_INCLUDE_SUBDOMAINS and SECURE_HSTS_SECONDS >= 31_536_000
):
    raise ImproperlyConfigured(
        "HSTS_PRELOAD needs HSTS_INCLUDE_SUBDOMAINS=true and HSTS_SECONDS of a year (31536000)."
    )
if environment.flag("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_MEMORY_SIZE = 262_144

# --- Language, static files, logs ------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(environment.text("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "qwencam_site.static_storage.HashedStaticFiles"},
}
LOGGING = logs.configuration(
    file=environment.log_file("LOG_FILE"),
    form=environment.choice("LOG_FORMAT", "text", of=("text", "json")),
    level=environment.choice("LOG_LEVEL", "INFO", of=("DEBUG", "INFO", "WARNING", "ERROR")),
)
