"""Names for a made-up company."""

from __future__ import annotations

FIRST_NAMES = (
    "Anna", "Bilal", "Chloe", "Dmitri", "Elena", "Farid", "Grace", "Hiro", "Ingrid", "Jamal", "Katja", "Liam",
    "Mei", "Nadia", "Oscar", "Priya", "Quentin", "Rosa", "Sven", "Tara", "Umar", "Vera", "Wanda", "Xavier", "Yuki",
    "Zoe", "Amara", "Bruno", "Carmen",
)  # fmt: skip
LAST_NAMES = (
    "Lindqvist", "Okafor", "Moreau", "Tanaka", "Petrov", "Haddad", "Silva", "Novak", "Kaur", "Weber", "Costa",
    "Nguyen", "Larsen", "Rossi", "Abebe", "Fischer", "Murphy", "Castillo", "Ivanova", "Demir", "Okoye", "Bauer",
    "Jensen", "Marino", "Popescu", "Santos", "Virtanen", "Walsh", "Yamada", "Zielinski", "Brandt",
)  # fmt: skip
DISPLAY_NAMES = ("Research", "Platform", "Data", "Mobile", "Security", "Finance", "Robotics", "Support")
"""Organizations beside the default one."""

TEMPLATES = (
    (
        "python-data-science",
        "Python data science",
        "JupyterLab, pandas and a GPU when one is free",
        "/icon/jupyter.svg",
    ),
    ("kubernetes", "Kubernetes", "A pod in the development cluster", "/icon/k8s.png"),
    ("docker", "Docker containers", "The quick one: a container on the shared host", "/icon/docker.svg"),
    ("golang-backend", "Go backend", "Go with the services' databases beside it", "/icon/go.svg"),
    ("web-frontend", "Web front end", "Node, a browser and the design system", "/icon/node.svg"),
    ("aws-linux", "", "A virtual machine on EC2", "/icon/aws.svg"),
    ("jetbrains", "JetBrains IDEs", "Large machines for IntelliJ and friends", "/icon/intellij.svg"),
    ("legacy-java", "Java 8 (legacy)", "For the services that nobody dares to touch", "/icon/java.svg"),
    ("rust-embedded", "Rust embedded", "Cross compilers and probes", "/icon/rust.svg"),
    ("windows", "Windows desktop", "", "/icon/windows.svg"),
    ("ml-training", "ML training", "Eight GPUs, by the hour", "/icon/pytorch.svg"),
    ("docs", "", "The documentation site", ""),
)
"""Name, display name (may be empty, as on real deployments), description, icon."""

WORKSPACE_NAMES = (
    "dev", "api", "notebook", "sandbox", "review", "frontend", "billing", "hotfix", "training", "search", "infra",
    "spike", "demo", "release", "migration", "bench",
)  # fmt: skip
