"""The report of a run: typed figures in; HTML, slides and PDF out. It uses neither Prefect nor a broker nor Docker."""
