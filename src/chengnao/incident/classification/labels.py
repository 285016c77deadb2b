"""What is known of labels beside examples: names, and the words people say."""

from chengnao.incident.catalogue import categories, category_name
from chengnao.incident.classification.model import NO_MATTER, Row


def category_hints() -> list[Row]:
    """The names and each word of each category, as texts of it: enough to know one that no case was closed in."""
    return [
        Row(text, category.code)
        for category in categories().values()
        for text in (category.name, category.name_en, *category.words)
    ]


def suggested_by_words(text: str) -> list[str]:
    """Up to three categories whose words stand in the text, the most and longest words first."""
    weights = {
        category.code: sum(len(word) for word in category.words if word.lower() in text.lower())
        for category in categories().values()
    }
    found = sorted((code for code, weight in weights.items() if weight), key=lambda code: (-weights[code], code))
    return found[:3]


def label_name(label: str) -> str:
    """The name of the category, of no matter, or the label itself where it is of a classifier for something else."""
    return "没有诉求事项" if label == NO_MATTER else category_name(label)
